"""Tell what a word in the column `skip` says of a row: left out, kept, or neither.

Standard library only: it runs while the workflow is parsed.
"""

import re
from functools import cache

from lungsight.patient_ids import is_missing, normalised
from lungsight.raw_table import ERROR_OF_A_SPREADSHEET, NO_VALUE

# What spreadsheets write for false in the languages of Europe, and no in them. `f` is false to R.
_NO = {
    normalised(word)
    for word in (
        *("false", "falsch", "faux", "falso", "fals", "falsk", "falskt", "usann", "epätosi", "onwaar", "fałsz", "f"),
        *(
            "nepravda",
            "hamis",
            "yanlış",
            "YANLIŞ",
            "väär",
            "neresnično",
            "ложь",
            "хибність",
            "неправда",
            "ψευδής",
            "ψευδης",
        ),
        *("no", "n", "non", "nein", "nee", "nej", "nei", "ei", "nie", "ne", "não", "nem", "nu", "hayır", "HAYIR"),
        *("nē", "ez", "нет", "не", "ні", "όχι", "οχι", "off", "aus"),
    )
}
# Words that tell to keep a row, or that tell neither: the row is refused, since a guess would lose or add a scan.
_NEITHER = {
    normalised(word)
    for word in (
        *("ok", "okay", "o.k", "good", "fine", "valid", "usable", "use", "used", "in", "pass", "passed", "accepted"),
        *("gut", "behalten", "bon", "bien", "garder", "conserver", "bene", "tenere", "mantener", "normal"),
        *("maybe", "perhaps", "unsure", "not sure", "unclear", "vielleicht", "tbd", "to be decided", "todo", "to do"),
        *("pending", "check", "not checked", "unknown", "unk", "not known", "undefined", "unspecified", "unbekannt"),
        *("unklar", "blank", "empty", "leave in", "leave it in", "no data"),
        *("missing", "not available", "not given", "not provided", "nicht vorhanden", "nicht verfügbar", "leer"),
    )
}
_KEPT = re.compile(
    r"(no|nein|non|false|0)(\s*[,;:(]|\s+[-–—]\s)(?!\d)"  # and then something: no - fine. But non-axial is a reason
    r"|(keep|kept|retain|retained|include|included)\b"
    r"|(do not|don't|don’t|not|no|un|never|nicht)[\s-]*(to be )?(skip|exclu|leave|left|omit|drop|ausschl|ausgeschl)",
    re.IGNORECASE,
)
_ZERO = re.compile(r"[-+]?0+([.,]0*)?(e[-+]?0+)?\s*%?")
_EMPTY_MARK = re.compile(r"[\s._\-\[\]()☐□○]*")  # dashes, dots, an empty box
REMEDY = "which does not tell whether to leave the row out; write yes or a reason if so, else no."


@cache
def is_skipped(word: str) -> bool | None:
    """Tell whether a word leaves its row out. None if the word says neither that nor its opposite, or says to keep it.

    Parameters
    ----------
    word : str
        A field of the column `skip`.
    """
    text = normalised(word).rstrip(".!,;").removeprefix("=").removesuffix("()").strip()  # =FALSE()
    if _EMPTY_MARK.fullmatch(text) or text in _NO or _ZERO.fullmatch(text) or NO_VALUE.fullmatch(word.strip()):
        return False
    error = ERROR_OF_A_SPREADSHEET.fullmatch(word.strip())
    if text in _NEITHER or _KEPT.match(word.strip()) or error or not text.strip("? "):
        return None
    return not (is_missing(word) and any(letter.isalnum() for letter in text))
