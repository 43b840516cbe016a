"""Read the ids of patients as people and spreadsheets write them: which are missing, which may mean one person.

Standard library only: it runs while the workflow is parsed.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache

from lungsight.raw_table import ERROR_OF_A_SPREADSHEET

EXACT, NORMALISE = "exact", "normalise"
# Of ids that are names of folders, and no word among them means that an id is missing. No config can say so.
AS_NAMED = "as named"
ADVICE = (
    "Write the id of a person in one way, or say in the config what these rows mean: patient_ids: normalise (alike is"
    " one person) or patient_ids: exact (every spelling is a person)."
)
_MOST_ROWS_SHOWN = 5
# With a fraction an exponent needs no plus: 1E11 may well be an id, 1.23E11 is none.
_SHORTENED_NUMBER = re.compile(r"(?<!\S)[-+]?(\d+[.,]\d+e[-+]?\d+|\d+[.,]?e\+\d+)(?!\w)", re.IGNORECASE)
# Drawn as nothing, and of no category that says so: joiners, fillers, selectors of a letter's variant.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
_MARKS = {
    **dict.fromkeys(
        map(ord, "\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02c8\u055a\ua78c\uff07`\u00b4"), "'"
    ),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u2036\u00ab\u00bb\u301d\u301e\uff02"), '"'),
}
_MINUS_AND_BULLET = "\u2212\u2043\u207b\u208b"
_QUOTED = re.compile(r"""\s*=?(["'])(.*)\1\s*""", re.DOTALL)  # ="007" is how a spreadsheet is made to keep zeros
_SPACE_BESIDE_A_NUMBER = re.compile(r"(?<=[^\W\d_]) (?=\d)|(?<=\d) (?=[^\W\d_])|(?<=-) | (?=-)")


def _without_invisible(text: str) -> str:
    """Drop what is drawn as nothing, and control characters; tabs and ends of lines become spaces."""
    if text.isascii() and text.isprintable():
        return text
    spaced = re.sub(r"[\t\r\n]", " ", _UNSEEN.sub("", text))
    return "".join(letter for letter in spaced if unicodedata.category(letter) not in ("Cf", "Cc"))


def _with_plain_dashes(text: str) -> str:
    if text.isascii():
        return text
    return "".join(
        "-" if unicodedata.category(letter) == "Pd" or letter in _MINUS_AND_BULLET else letter for letter in text
    )


def _one_width(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _unquoted(text: str) -> str:
    quoted = _QUOTED.fullmatch(text)
    return quoted[2] if quoted else text


def _without_spaces(text: str) -> str:
    """Leave a space between words alone, and drop the apostrophe that makes a spreadsheet read text."""
    text = re.sub(r"\s+", " ", text).strip().removeprefix("'").strip()
    return _SPACE_BESIDE_A_NUMBER.sub("", text)


_CASE, _LETTERS = "upper and lower case", "composed letters or their width"
# What may differ between two spellings of one id, and how it is evened out, in this order. 1,000 and 7,00 stay: a comma
# parts thousands in one country and a fraction in the next. So do 2.05 and 1.10.0: zeros behind a point count.
STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("invisible characters", _without_invisible),
    ("dashes", _with_plain_dashes),
    ("kinds of apostrophes or quotation marks", lambda text: text.translate(_MARKS)),
    (_CASE, str.casefold),
    (_LETTERS, _one_width),
    (_CASE, str.casefold),  # one letter may stand for several capitals
    (_LETTERS, _one_width),
    ("quotation marks around it", _unquoted),
    ("spaces or an apostrophe", _without_spaces),
    ("a trailing .0", lambda text: re.sub(r"(?<![\d.])(\d+)\.0+$", r"\1", text)),
    ("leading zeros", lambda text: re.sub(r"(?<!\d)(?<!\d[.,])0+(?=\d)", "", text)),
)


@cache
def normalised(text: str, without: str = "") -> str:
    """Write an id in the form in which its spellings agree. without: the name of steps to leave out."""
    for name, step in STEPS:
        text = step(text) if name != without else text
    return text


def _bare(word: str) -> str:
    """Write a word for nothing without brackets, full stops and hyphens: (none), not-applicable, unk."""
    return re.sub(r"[-_\s]+", " ", word).strip(" .()[]<>{}")


_MISSING = {
    _bare(normalised(word))
    for word in (
        *("na", "n/a", "n.a.", "n. a.", "nan", "nat", "none", "null", "nil", "blank", "empty", "void", "unk", "n.n."),
        *("unknown", "undefined", "unspecified", "missing", "not available", "not applicable", "not known", "no id"),
        *("not specified", "not given", "not provided", "not recorded", "n/k", "k.a.", "k. a.", "keine angabe"),
        *("keine angaben", "ohne angabe", "no data", "notapplicable", "notavailable"),
        *(
            "unbekannt",
            "nicht bekannt",
            "nicht vorhanden",
            "nicht verfügbar",
            "entfällt",
            "leer",
            "inconnu",
            "inconnue",
        ),
        *(
            "non disponible",
            "desconocido",
            "no disponible",
            "sconosciuto",
            "desconhecido",
            "onbekend",
            "okänd",
            "ukjent",
        ),
        *("ukendt", "tuntematon", "nieznany", "brak", "neznámý", "bilinmiyor", "неизвестно"),
    )
}


@cache
def is_missing(text: str) -> bool:
    """Tell whether a field of the column `patient` means that there is no id: NA, unknown, -, #REF!, nothing."""
    word = normalised(text)
    return (
        _bare(word) in _MISSING
        or not any(letter.isalnum() for letter in word)
        or bool(ERROR_OF_A_SPREADSHEET.fullmatch(_without_invisible(text).strip()))
    )


def is_shortened(text: str) -> bool:
    """Tell whether an id is a long number that a spreadsheet wrote as 1.23E+11: its last digits are lost."""
    return bool(_SHORTENED_NUMBER.search(_one_width(_with_plain_dashes(text))))


def _listed(places: list[str]) -> str:
    shown = places[:_MOST_ROWS_SHOWN]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    return f"{'rows' if len(places) > 1 else 'row'} {', '.join(shown)}{more}"


def spelt_alike(ids: Iterable[str]) -> set[str]:
    """Find the ids that agree with another one once they are normalised."""
    written = set(ids)
    times = Counter(map(normalised, written))
    return {id for id in written if times[normalised(id)] > 1}


def spellings(ids: Iterable[tuple[str, str, str]]) -> dict[str, dict[str, dict[str, list[str]]]]:
    """Group ids that agree once they are normalised, and are written in several ways.

    Parameters
    ----------
    ids
        Cohort, number of the row, and id as the user wrote it.

    Returns
    -------
    dict
        Normalised id → spelling → cohort → numbers of the rows.
    """
    form_of: dict[str, str] = {}
    groups: dict[str, dict[str, dict[str, list[str]]]] = {}
    for cohort, row, written in ids:
        form = form_of.get(written) or form_of.setdefault(written, normalised(written))
        groups.setdefault(form, {}).setdefault(written, {}).setdefault(cohort, []).append(row)
    return {form: group for form, group in groups.items() if len(group) > 1}


def spelling_problems(ids: Iterable[tuple[str, str, str]], named: bool = False) -> list[str]:
    """Say which rows may mean one person, a sentence each, without an id. named: with the names of the cohorts.

    See `spellings` for `ids`.
    """
    problems = []
    for group in spellings(ids).values():
        names = dict.fromkeys(name for name, _ in STEPS)
        differences = [name for name in names if len({normalised(written, without=name) for written in group}) > 1]
        places = [
            " and ".join(_listed(rows) + (f" of {cohort}" if named else "") for cohort, rows in cohorts.items())
            for cohorts in group.values()
        ]
        problems.append(
            f"{' | '.join(places)}: one patient id in {len(group)} spellings, alike but for"
            f" {' and '.join(differences) or 'how they are written'}."
        )
    return problems
