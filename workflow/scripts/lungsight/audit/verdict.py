"""Does a model look at the lung? One verdict for each, by rules that are written down here and nowhere else.

The evidence, all on held-out test patients and by patient, with 95 % intervals over patients:

    auc          ROC AUC on the slices as they are
    background   ROC AUC with the lung replaced by a flat grey: what is left without lung tissue
    swap         ROC AUC with the lung replaced by that of a patient of the other class, so that lung and background
                 contradict each other: above 0.5 the answers follow the background, below 0.5 the (other's) lung
    enrichment   Grad-CAM's share in the lung over the lung's share of the image; 1 is a map without preference. Counts
                 only where the method passes parameter randomisation: maps of a network without anything learned must
                 differ from the model's. It never suffices for a verdict on the lung: lungs lie in the middle, and so
                 do the maps of networks with random weights.

In the segmented framework the background is black: there `background` and `swap` ask what the outline of the lung gives
away. The first rule that holds decides.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.audit.rows import FULLY_RANDOMISED, SIMILAR, UNMODIFIED
from lungsight.wording import number

# Fewer, and even a perfect separation may be chance: of five and five patients, one in 252 shuffles gives it.
FEWEST_PATIENTS = 10
SUFFICES = 0.5  # share of a model's advantage over chance that the background must give alone to suffice
CHANCE = 0.5
KINDS = {
    "lung": "looks at the lung",
    "chance": "no better than chance",
    "elsewhere": "looks elsewhere",
    "unknown": "cannot tell",
}
TONES = {"lung": "good", "chance": "warn", "elsewhere": "bad", "unknown": "warn"}


class Estimate(NamedTuple):
    """A number with its interval; NaN where there is none."""

    value: float = np.nan
    low: float = np.nan
    high: float = np.nan

    def above(self, level: float) -> bool:
        """The whole interval lies above."""
        return self.low > level

    def below(self, level: float) -> bool:
        """The whole interval lies below."""
        return self.high < level

    def __str__(self) -> str:
        between = "" if np.isnan(self.low) else f" ({number(self.low)}–{number(self.high)})"
        return f"{number(self.value)}{between}"


class Evidence(NamedTuple):
    """What the rules look at. patients: in the test split. similarity: of a random network's maps with the model's."""

    framework: str
    patients: int
    auc: Estimate
    background: Estimate
    swap: Estimate
    enrichment: Estimate
    similarity: Estimate

    @property
    def maps_pass(self) -> bool:
        """Whether the maps are shown to depend on what the model learned."""
        return self.similarity.below(SIMILAR)

    @property
    def background_suffices(self) -> bool:
        """Whether the background alone tells the classes apart, and gives much of what the model has."""
        return self.background.above(CHANCE) and self.background.value - CHANCE >= SUFFICES * (self.auc.value - CHANCE)

    @property
    def lung_outweighs(self) -> bool:
        """Whether the answers follow the lung where it speaks against the background."""
        return self.swap.below(CHANCE)

    @property
    def maps_on(self) -> bool:
        """Whether maps that count prefer the lung."""
        return self.maps_pass and self.enrichment.above(1)

    @property
    def maps_off(self) -> bool:
        """Whether maps that count avoid the lung."""
        return self.maps_pass and self.enrichment.below(1)

    @property
    def what_is_left(self) -> str:
        """The background, in the words of the framework."""
        return "the outline of the lung" if self.framework == "segmented" else "what is not lung"


class Rule(NamedTuple):
    """holds: of the evidence. says: the reason, a template over the evidence's fields."""

    name: str
    kind: str
    holds: Callable[[Evidence], bool]
    says: str


RULES = (
    Rule(
        *("too few patients", "unknown", lambda seen: seen.patients < FEWEST_PATIENTS),
        f"{{patients}} test patients are too few; {FEWEST_PATIENTS} are needed",
    ),
    Rule(
        *("no interval", "unknown", lambda seen: np.isnan(seen.auc.low) or np.isnan(seen.swap.low)),
        "no interval could be computed",
    ),
    Rule(
        *("not learned", "unknown", lambda seen: not seen.auc.above(CHANCE)),
        "the model is not shown to beat chance: AUC {auc}",
    ),
    Rule(
        *("both suffice", "unknown", lambda seen: seen.background_suffices and seen.lung_outweighs),
        "{left} tells the classes apart by itself (AUC {background} without lung tissue), but where the lung disagrees"
        " the answers follow the lung (AUC {swap}): the model can use both",
    ),
    Rule(
        *("background suffices", "elsewhere", lambda seen: seen.background_suffices),
        "{left} tells the classes apart by itself: AUC {background} without lung tissue, {auc} with it",
    ),
    Rule(
        *("background outweighs", "elsewhere", lambda seen: seen.swap.above(CHANCE)),
        "with another patient's lung of the other class the answers stay with {left}: AUC {swap}",
    ),
    Rule(
        *("maps contradict", "unknown", lambda seen: seen.lung_outweighs and seen.maps_off),
        "the answers follow the lung (AUC {swap} when it is swapped), but the maps lie outside it (enrichment"
        " {enrichment})",
    ),
    Rule(
        *("lung outweighs", "lung", lambda seen: seen.lung_outweighs),
        "with another patient's lung of the other class the answers follow that lung: AUC {swap}; without lung tissue"
        " {background}",
    ),
    Rule(
        *("maps elsewhere", "elsewhere", lambda seen: seen.maps_off),
        "neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps lie outside the lung"
        " (enrichment {enrichment})",
    ),
    Rule(
        *("maps on the lung alone", "unknown", lambda seen: seen.maps_on),
        "the maps lie on the lung (enrichment {enrichment}), but neither part outweighs the other (AUC {swap} when the"
        " lung is swapped)",
    ),
    Rule(
        *("maps do not count", "unknown", lambda seen: not seen.maps_pass),
        "neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps are not shown to depend"
        " on what was learned",
    ),
    Rule(
        *("no map", "unknown", lambda seen: np.isnan(seen.enrichment.low)),
        "neither part outweighs the other (AUC {swap} when the lung is swapped), and no map could be measured",
    ),
    Rule(
        *("no preference", "chance", lambda seen: True),
        "neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps have no preference"
        " (enrichment {enrichment})",
    ),
)


class Verdict(NamedTuple):
    """kind: a key of KINDS. rule: the name of the rule that decided. text: the sentence with its numbers."""

    kind: str
    rule: str
    text: str

    @property
    def tone(self) -> str:
        return TONES[self.kind]


def decide(seen: Evidence) -> Verdict:
    """The verdict of the first rule that holds."""
    rule = next(rule for rule in RULES if rule.holds(seen))
    words = KINDS[rule.kind]
    numbers = {name: str(part) for name, part in seen._asdict().items()}
    reason = rule.says.format(left=seen.what_is_left, **numbers)
    return Verdict(rule.kind, rule.name, f"{words[0].upper()}{words[1:]}: {reason}.")


def _rows(audited: pd.DataFrame, test: str, variant: str, measure: str, unit: str) -> pd.DataFrame:
    wanted = {"test": test, "variant": variant, "measure": measure, "unit": unit}
    return audited[(audited[list(wanted)] == pd.Series(wanted)).all(axis=1)]


def estimate(audited: pd.DataFrame, test: str, variant: str, measure: str, unit: str = "patient") -> Estimate:
    """One number of an audit table; missing where the table has no such row."""
    found = _rows(audited, test, variant, measure, unit)
    return Estimate() if found.empty else Estimate(*found.iloc[0][["value", "value_lo", "value_hi"]].astype(float))


def evidence_of(framework: str, audited: pd.DataFrame, enrichment: Estimate) -> Evidence:
    """audited: rows of the audit tables of one model. enrichment: over all its test slices."""
    intact, background, swap = (
        estimate(audited, "intervention", name, "roc_auc")
        for name in (UNMODIFIED, "background_only_mean", "background_only_other")
    )
    similarity = estimate(audited, "randomisation", FULLY_RANDOMISED, "rank_correlation", "slice")
    patients = _rows(audited, "intervention", UNMODIFIED, "roc_auc", "patient")["n"].sum()
    return Evidence(framework, int(patients), intact, background, swap, enrichment, similarity)
