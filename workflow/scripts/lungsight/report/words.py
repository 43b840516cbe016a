"""Verdicts as the pages say them. verdicts.tsv keeps its own words."""

from typing import NamedTuple

from lungsight.audit.verdict import CONCLUSIONS
from lungsight.wording import listed


class VerdictWords(NamedTuple):
    """How a page says a verdict.

    Attributes
    ----------
    words
        Say what the verdict is about: attention, not the AUC.
    tone
        "good", "warn" or "bad".
    one, several
        What one model does, and what several do.
    """

    words: str
    tone: str
    one: str
    several: str


# By key of CONCLUSIONS.
VERDICTS = {
    "lung": VerdictWords("attention: on the lung", "good", "looks at the lung", "look at the lung"),
    "chance": VerdictWords(
        *("attention: no preference shown", "warn"),
        *("shows no preference for the lung", "show no preference for the lung"),
    ),
    "elsewhere": VerdictWords("attention: not on the lung", "bad", "looks elsewhere", "look elsewhere"),
    "unknown": VerdictWords("attention: cannot tell", "warn", "cannot be judged", "cannot be judged"),
    "withheld": VerdictWords(
        *("attention: not assessed", "warn"),
        *("is not assessed, for want of accepted lung masks", "are not assessed, for want of accepted lung masks"),
    ),
}
# By the words of verdicts.tsv.
PAGE_WORDS = {words: VERDICTS[key] for key, words in CONCLUSIONS.items()}


def verdict_in_words(verdict: str) -> str:
    """Say a verdict of verdicts.tsv as the page does."""
    words = PAGE_WORDS[verdict].words
    return words[0].upper() + words[1:]


def verdicts_counted(verdicts: list[str]) -> str:
    """Count verdicts, given in the words of verdicts.tsv: `1 looks at the lung and 3 look elsewhere`."""
    counted = []
    for words, page in PAGE_WORDS.items():
        if times := verdicts.count(words):
            counted.append(f"{times} {page.one if times == 1 else page.several}")
    return listed(counted)
