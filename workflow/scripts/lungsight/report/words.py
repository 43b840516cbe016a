"""Verdicts and decision curves as the pages say them. verdicts.tsv keeps its own words."""

from typing import NamedTuple

import pandas as pd

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
    "making": VerdictWords(
        *("attention: on how the image was made", "bad"),
        *("depends on how the image was made", "depend on how the image was made"),
    ),
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


def use_in_words(curve: pd.DataFrame) -> str:
    """Say at which thresholds the interval of the gain lies above 0. curve: one model's rows of decision_curves.tsv."""
    better = curve[curve["gain_lo"] > 0]["threshold"]
    if curve["gain_lo"].isna().all():
        return "no interval could be computed"
    if better.empty:
        return "not shown to be of use at any threshold"
    runs = (better.round(2).mul(20).round().diff() != 1).cumsum()
    return f"of use from {listed([_from_to(run) for _, run in better.groupby(runs)])}"


def _from_to(thresholds: pd.Series) -> str:
    low, high = thresholds.iloc[0], thresholds.iloc[-1]
    return f"{low:.2f}" if low == high else f"{low:.2f} to {high:.2f}"
