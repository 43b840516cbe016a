"""Decide automatically which slices show lung, and which masks keep the shape of the lung and nothing else."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

NO_LUNG = "no lung visible"
NO_MASK = "no lung mask"
CUT_OUT = "the lungs are cut out, all else is one grey"
LOST = "the mask misses the lung"


class Limit(NamedTuple):
    """A limit of the config section `qc.rules`: the highest or lowest value that a score may have.

    Attributes
    ----------
    name
        Key of `qc.rules`. One that starts with max_ is an upper limit.
    score
        Column of the table `scores`.
    brief
        The fault in a few words.
    words
        The fault with the value of the score.
    percent
        Whether the value is shown in percent.
    """

    name: str
    score: str
    brief: str
    words: str
    percent: bool = True

    @property
    def upper(self) -> bool:
        """Whether the score may not exceed the limit; else it may not be below it."""
        return self.name.startswith("max_")


MASK_LIMITS = (
    Limit("max_lung_fraction", "lung_fraction", "mask too large", "the mask covers {value} of the image"),
    Limit(
        "max_border_contact",
        "border_contact",
        "mask at the image border",
        "the mask covers {value} of the image border",
    ),
    Limit("max_components", "components", "mask in too many pieces", "the mask is in {value} pieces", percent=False),
    Limit("min_solidity", "solidity", "ragged outline", "the outline is ragged (solidity {value})"),
    Limit("max_holes", "holes", "holes in the mask", "holes of {value} in the mask"),
    Limit(
        "max_mean_intensity",
        "mean_intensity",
        "mask too dense inside",
        "the mask is dense inside (mean {value} of the window)",
    ),
    Limit("max_soft_fraction", "soft_fraction", "soft tissue in the mask", "{value} of the mask is soft tissue"),
    Limit("max_missed_air", "missed_air", "air of the lungs missed", "the mask misses {value} of the air in the body"),
    Limit(
        "min_neighbour_dice",
        "neighbour_dice",
        "mask unlike its neighbours",
        "the mask agrees to {value} with the neighbouring slices",
    ),
    Limit(
        "min_classical_kept", "classical_kept", "part of one lung lost", "the mask keeps {value} of the air of one lung"
    ),
    Limit(
        "min_classical_dice",
        "classical_dice",
        "mask unlike the air of the lungs",
        "the mask agrees to {value} with the air of the lungs",
    ),
    Limit(
        "max_gas_fraction",
        "gas_fraction",
        "gas of airways or bowel in the mask",
        "{value} of the mask is gas in airways, stomach or bowel",
    ),
)


def _pattern(limit: Limit) -> re.Pattern[str]:
    """Match what `in_words` makes of a limit, whatever the numbers."""
    return re.compile(re.escape(limit.words).replace(re.escape("{value}"), "[0-9]+( %)?") + ", limit .*")


_BRIEFS = [(_pattern(limit), limit.brief) for limit in MASK_LIMITS]


def in_words(limit: Limit, value: float, allowed: float) -> str:
    """Name the fault that a score shows: "97 % of the mask is soft tissue, limit 50 %"."""
    shown, bound = (f"{100 * number:.0f} %" if limit.percent else f"{number:.0f}" for number in (value, allowed))
    return f"{limit.words.format(value=shown)}, limit {bound}"


def in_brief(reason: str) -> str:
    """Return the first fault of a reason, without its numbers, so that equal faults can be counted.

    reason: as `decide` or a person wrote it.
    """
    first = reason.split("; ")[0]
    if first.startswith(LOST):
        return LOST
    return next((brief for pattern, brief in _BRIEFS if pattern.fullmatch(first)), first)


def broken_limits(scores: pd.DataFrame, rules: dict) -> pd.DataFrame:
    """Return which limits the mask of each slice breaks: bool, a column per limit. A missing score breaks none."""
    return pd.DataFrame(
        {
            limit.name: scores[limit.score] > rules[limit.name]
            if limit.upper
            else scores[limit.score] < rules[limit.name]
            for limit in MASK_LIMITS
        },
        index=scores.index,
    )


def has_mask(scores: pd.DataFrame) -> pd.Series:
    """Return whether each slice has a lung mask, bool. The mask may be empty."""
    return scores["lung_fraction"].notna()


def strain(scores: pd.DataFrame, rules: dict) -> pd.Series:
    """Return how near each slice comes to its nearest limit: 1 is at the limit, more is beyond it."""
    ratios = []
    for limit in MASK_LIMITS:
        value, allowed = scores[limit.score].astype(float), max(rules[limit.name], 1e-6)
        ratios.append(value / allowed if limit.upper else allowed / value.clip(lower=1e-6))
    return pd.concat(ratios, axis=1).max(axis=1).fillna(0.0)


def decide(scores: pd.DataFrame, rules: dict) -> pd.DataFrame:
    """Decide on every slice.

    Parameters
    ----------
    scores
        The table `scores`.
    rules
        The config section `qc.rules`.

    Returns
    -------
    DataFrame
        On the index of `scores`:

        - `whole_keep`: 1 if lung is visible in a whole image. Either the mask is a plausible lung of some size, or the
          body holds so much air that it must be lung, whatever the mask shows. A picture of lungs that are cut out is
          no whole image.
        - `segmented_keep`: 1 if `whole_keep` is, and the mask breaks no limit. So every segmented slice has a whole
          one, whose subset it takes.
        - `reason`: the faults, empty if both are kept.
        - `suspicion`: the higher it is, the sooner a person should look.
    """
    masked = has_mask(scores)
    broken = broken_limits(scores, rules)
    plausible = ~broken.any(axis=1)
    large_enough = scores["lung_fraction"] >= rules["min_lung_fraction"]
    visible = (large_enough & plausible) | (scores["air_fraction"] >= rules["min_air_fraction"])
    cut_out = scores["cut_out"] == 1
    whole = visible & ~cut_out
    segmented = whole & large_enough & plausible

    # As arrays: a field of a Series costs a hundred times that of an array.
    is_masked, is_visible, is_cut_out, is_large = (part.to_numpy() for part in (masked, visible, cut_out, large_enough))
    is_broken = {name: broken[name].to_numpy() for name in broken}
    values = {score: scores[score].to_numpy() for score in ("lung_fraction", *(limit.score for limit in MASK_LIMITS))}

    def reason(row: int) -> str:
        if not is_masked[row]:
            return NO_MASK
        if not is_visible[row]:
            return NO_LUNG
        faults = [CUT_OUT] if is_cut_out[row] else []
        faults += [] if is_large[row] else [f"{LOST} ({100 * values['lung_fraction'][row]:.1f} % of the image)"]
        faults += [
            in_words(limit, values[limit.score][row], rules[limit.name])
            for limit in MASK_LIMITS
            if is_broken[limit.name][row]
        ]
        return "; ".join(faults)

    reasons = [reason(row) for row in range(len(scores))]
    shares = [scores[score] / max(rules[f"min_{score}"], 1e-6) for score in ("lung_fraction", "air_fraction")]
    evidence_of_lung = pd.concat(shares, axis=1).max(axis=1).clip(upper=1.0)
    suspicion = strain(scores, rules).where(visible, evidence_of_lung)
    suspicion = suspicion.where(large_enough | ~visible, np.inf)
    return pd.DataFrame(
        {
            "whole_keep": whole.astype(int),
            "segmented_keep": segmented.astype(int),
            "reason": reasons,
            "suspicion": suspicion,
        },
        index=scores.index,
    )
