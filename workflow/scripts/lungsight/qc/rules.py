"""Automatic decisions: which slices show lung, and which masks keep the lung's shape and nothing else."""

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

NO_LUNG = "no lung visible"
NO_MASK = "no lung mask"
LOST = "the mask misses the lung"


class Limit(NamedTuple):
    """One limit of the config section `qc.rules`: what a score may be at most, or must be at least.

    brief: the fault in a few words; words: with its value.
    """

    name: str
    score: str
    brief: str
    words: str
    percent: bool = True

    @property
    def upper(self) -> bool:
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


def in_words(limit: Limit, value: float, allowed: float) -> str:
    """What is wrong with one score: "97 % of the mask is soft tissue, limit 50 %"."""
    shown, bound = (f"{100 * number:.0f} %" if limit.percent else f"{number:.0f}" for number in (value, allowed))
    return f"{limit.words.format(value=shown)}, limit {bound}"


def in_brief(reason: str) -> str:
    """The first fault of a reason that `decide` or a person gave, without numbers: like ones can be counted."""
    first = reason.split("; ")[0]
    if first.startswith(LOST):
        return LOST
    for limit in MASK_LIMITS:
        if re.fullmatch(re.escape(limit.words).replace(re.escape("{value}"), "[0-9]+( %)?") + ", limit .*", first):
            return limit.brief
    return first


def broken_limits(scores: pd.DataFrame, rules: dict) -> pd.DataFrame:
    """Which limits of the mask each slice breaks: bool, a column per limit; a score that is missing breaks none."""
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
    """Whether each slice has a lung mask at all, bool; a mask may be empty."""
    return scores["lung_fraction"].notna()


def strain(scores: pd.DataFrame, rules: dict) -> pd.Series:
    """How near each slice comes to the limit that it comes nearest to: 1 is at a limit, above 1 beyond it."""
    ratios = []
    for limit in MASK_LIMITS:
        value, allowed = scores[limit.score].astype(float), max(rules[limit.name], 1e-6)
        ratios.append(value / allowed if limit.upper else allowed / value.clip(lower=1e-6))
    return pd.concat(ratios, axis=1).max(axis=1).fillna(0.0)


def decide(scores: pd.DataFrame, rules: dict) -> pd.DataFrame:
    """Decide on every slice.

    scores: the table `scores`. rules: the config section `qc.rules`.

    Returns `whole_keep` (lung is visible: the mask is a plausible lung of some size, or there is as much air in the
    body as only lung has, whatever the mask says), `segmented_keep` (visible, and there is a mask that breaks no
    limit), `reason` (in words, empty when both are kept) and `suspicion` (the more, the sooner a person should look),
    on the index of `scores`.
    """
    masked = has_mask(scores)
    broken = broken_limits(scores, rules)
    plausible = ~broken.any(axis=1)
    found = scores["lung_fraction"] >= rules["min_lung_fraction"]
    visible = (found & plausible) | (scores["air_fraction"] >= rules["min_air_fraction"])
    segmented = visible & found & plausible

    def reason(row: int) -> str:
        if not masked.iloc[row]:
            return NO_MASK
        if not visible.iloc[row]:
            return NO_LUNG
        faults = [] if found.iloc[row] else [f"{LOST} ({100 * scores['lung_fraction'].iloc[row]:.1f} % of the image)"]
        faults += [
            in_words(limit, scores[limit.score].iloc[row], rules[limit.name])
            for limit in MASK_LIMITS
            if broken[limit.name].iloc[row]
        ]
        return "; ".join(faults)

    reasons = [reason(row) for row in range(len(scores))]
    evidence = np.fmax(
        scores["lung_fraction"] / max(rules["min_lung_fraction"], 1e-6),
        scores["air_fraction"] / max(rules["min_air_fraction"], 1e-6),
    ).clip(upper=1.0)
    suspicion = strain(scores, rules).where(visible, evidence)
    suspicion = suspicion.where(found | ~visible, np.inf)
    return pd.DataFrame(
        {
            "whole_keep": visible.astype(int),
            "segmented_keep": segmented.astype(int),
            "reason": reasons,
            "suspicion": suspicion,
        },
        index=scores.index,
    )
