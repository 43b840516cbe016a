"""Read the ids of patients as people and spreadsheets write them: which are missing, which may mean one person.

Standard library only: it runs while the workflow is parsed.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache

from lungsight.raw_table import ERROR_OF_A_SPREADSHEET

EXACT, NORMALISE = "exact", "normalise"
ADVICE = (
    "Write the id of a person in one way, or say in the config what these rows mean: patient_ids: normalise (alike is"
    " one person) or patient_ids: exact (every spelling is a person)."
)
_MOST_ROWS_SHOWN = 5
_MISSING = {
    *("na", "n/a", "n.a.", "n.a", "<na>", "nan", "nat", "none", "null", "nil", "(null)", "(blank)", "unknown"),
    *("undefined", "missing", "not available", "not known", "unbekannt"),
}
_SHORTENED_NUMBER = re.compile(r"(?<!\S)\d(?:[.,]\d+)?e\+\d+", re.IGNORECASE)
_DASHES = re.compile(r"[\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")


def _without_invisible(text: str) -> str:
    """Drop format characters (zero-width spaces, byte order marks) and control characters; tabs become spaces."""
    if text.isascii() and text.isprintable():
        return text
    spaced = re.sub(r"[\t\r\n]", " ", text)
    return "".join(letter for letter in spaced if unicodedata.category(letter) not in ("Cf", "Cc"))


def _one_width(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


_CASE, _LETTERS = "upper and lower case", "composed letters or their width"
# What may differ between two spellings of one id, and how it is evened out, in this order.
STEPS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("invisible characters", _without_invisible),
    ("dashes", lambda text: _DASHES.sub("-", text)),
    (_CASE, str.casefold),
    (_LETTERS, _one_width),
    (_CASE, str.casefold),  # one letter may stand for several capitals
    (_LETTERS, _one_width),
    ("spaces or an apostrophe", lambda text: re.sub(r"\s+", " ", text).strip().removeprefix("'").strip()),
    ("a trailing .0", lambda text: re.sub(r"(?<=\d)[.,]0+$", "", text)),
    ("leading zeros", lambda text: re.sub(r"(?<!\d)0+(?=\d)", "", text)),
)


@cache
def normalised(text: str, without: str = "") -> str:
    """Write an id in the form in which its spellings agree. without: the name of steps to leave out."""
    for name, step in STEPS:
        text = step(text) if name != without else text
    return text


@cache
def is_missing(text: str) -> bool:
    """Tell whether a field of the column `patient` means that there is no id: NA, unknown, -, #REF!, nothing."""
    word = normalised(text)
    return (
        word in _MISSING
        or not any(letter.isalnum() for letter in word)
        or bool(ERROR_OF_A_SPREADSHEET.fullmatch(text.strip()))
    )


def is_shortened(text: str) -> bool:
    """Tell whether an id is a long number that a spreadsheet wrote as 1.23E+11: its last digits are lost."""
    return bool(_SHORTENED_NUMBER.search(text))


def _listed(places: list[str]) -> str:
    shown = places[:_MOST_ROWS_SHOWN]
    more = f" and {len(places) - len(shown)} more" if len(places) > len(shown) else ""
    return f"{'rows' if len(places) > 1 else 'row'} {', '.join(shown)}{more}"


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
