"""Give each model one verdict on where it looks, by rules that are written down here and nowhere else.

The evidence, all on held-out test patients and by patient, with 95 % intervals over patients:

auc
    ROC AUC on the slices as they are.
background
    ROC AUC with the lung replaced by a flat grey: what the model can do without lung tissue.
swap
    ROC AUC with the lung replaced by that of a patient of the other class, so that lung and background contradict each
    other. Above 0.5 the predictions follow the background, below 0.5 the lung of the other patient.
enrichment
    Grad-CAM's share in the lung over the lung's share of the image; 1 is a map without preference. It counts only where
    the maps pass parameter randomisation: maps of a network with random weights must differ from the model's. It never
    suffices for a verdict on the lung. Lungs lie in the middle, and so do the maps of networks with random weights.
repeatability
    Under `training.replicates`: the rank correlation of the maps of trainings that differ in their seed alone, minus
    what as many networks with random weights exceed once in twenty times. Maps that are no more alike than those of
    random networks say nothing about where a model looks: they do not count, and nothing is said for the lung. A
    verdict against the lung stays, where it rests on predictions and not on maps.
making
    ROC AUC where all slices of one class show a trace of how images are made, JPEG blocks for one, and those of the
    other class do not (`making`). Below 0.5 the answers follow the trace. It counts only where the trace, measured in
    the images, tells the class: other traces a model cannot have learned. Of such kinds the verdict names one that the
    model needs, else the one that its answers follow.

All of this but the last needs the lung mask of a slice. Slices whose mask did not pass quality control take no part,
and where the rest is no fair sample, no verdict is given (`fair_sample`).

With more than two classes the three AUCs are means over the pairs of classes. The same rules judge each pair on its own
patients, without maps, with intervals for all pairs together. Where the background decides some pairs and not all of
them, the model looks elsewhere for these classes, and the verdict names them: each class of which every pair is found,
then the pairs that are left.

What a model was trained on is no evidence on it: after swapped lungs in training the swap does not decide, after a
penalty on maps or gradients the maps do not, after random styles the changed making does not. Each rule names the
instruments that it rests on, and is passed over where the model has seen one. After swapped lungs the rule `lung
suffices` can decide: it rests on flat greys alone. After random styles a model whose answers still follow the making is
not said to look at the lung (`making after training`).

Segmented slices have a black background. There `background` and `swap` ask what the outline of the lung gives away. The
first rule that holds decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.audit.fair_sample import LIMITS, AuditedSample
from lungsight.audit.rows import FULLY_RANDOMISED, SIMILAR, UNMODIFIED, Estimate
from lungsight.training.remedies import INSTRUMENTS, MAKING, MAPS, SWAP
from lungsight.wording import listed, number

# With fewer, even a perfect separation may be chance: of five and five patients, one in 252 shuffles gives it.
FEWEST_PATIENTS = 10
SUFFICES = 0.5  # share of a model's advantage over chance that the background alone must give to suffice
CHANCE = 0.5
ABOUT = 0.05  # by which the AUCs of two traces may differ and tell the class about as well
NOT_MEASURED = Estimate()
TRAINED_ON = " Trained on {seen}, which therefore did not decide."
LEFT_OUT = " Without an accepted lung mask, and left out: "  # begins the second sentence of a verdict
# The verdicts, in the words of verdicts.tsv.
CONCLUSIONS = {
    "lung": "looks at the lung",
    "chance": "no better than chance",
    "elsewhere": "looks elsewhere",
    "making": "depends on how the image was made",
    "unknown": "cannot tell",
    "withheld": "not assessed",
}


class PairVerdict(NamedTuple):
    """The verdict on how a model tells two classes apart. conclusion: a key of CONCLUSIONS."""

    first: str
    second: str
    conclusion: str


def classes_by_background(pairs: Sequence[PairVerdict]) -> str:
    """Name the classes that a model tells by the background: those of which every pair is found, then other pairs."""
    by_background = [pair for pair in pairs if pair.conclusion == "elsewhere"]
    classes = dict.fromkeys(name for pair in pairs for name in pair[:2])
    found = [name for name in classes if all(pair in by_background for pair in pairs if name in pair[:2])]
    others = [f"{first} from {second}" for first, second, _ in by_background if not {first, second} & {*found}]
    return listed(found + others)


class Making(NamedTuple):
    """A kind of trace that tells the classes apart in a cohort, and what a model answers where it contradicts them.

    Attributes
    ----------
    trace
        Title of the trace of this kind that tells the class best.
    auc
        Of that trace alone, by patient.
    counterfactual
        The model's ROC AUC where the trace contradicts the class.
    washed
        The model's ROC AUC where the trace is washed out of all slices.
    loss
        By how much that is lower than with these slices as they are.
    general
        Whether every processing of a picture changes traces of this kind.
    """

    trace: str
    auc: float
    counterfactual: Estimate
    washed: Estimate = Estimate()
    loss: Estimate = Estimate()
    general: bool = False

    @property
    def needed(self) -> bool:
        """Whether washing it out takes more than half of the model's advantage over chance along."""
        advantage = self.washed.value + self.loss.value - CHANCE
        return self.loss.above(0) and self.loss.value > SUFFICES * advantage


def _most_special(kinds: Sequence[Making]) -> Making:
    """Choose the first kind whose trace tells the class about as well as the best of them; special kinds come first."""
    best = max(each.auc for each in kinds)
    return next(each for each in kinds if each.auc >= best - ABOUT)


class Evidence(NamedTuple):
    """What the rules look at.

    Attributes
    ----------
    input_view
        "whole" or "segmented".
    patients
        In the test split.
    auc, background, swap, enrichment
        As the module describes them.
    similarity
        Rank correlation of a randomised network's maps with the model's.
    sample
        What is left of the test slices once those without an accepted lung mask are out.
    pairs
        The verdicts on the pairs of classes; none with two classes.
    repeatability
        As the module describes it; a missing one where each pipeline was trained once.
    making
        Of each kind of trace that tells the class.
    lung
        ROC AUC with everything but the lung replaced by a flat grey.
    trained_on
        Of `remedies.INSTRUMENTS`: those that the model has seen in training.
    """

    input_view: str
    patients: int
    auc: Estimate
    background: Estimate
    swap: Estimate
    enrichment: Estimate
    similarity: Estimate
    sample: AuditedSample = AuditedSample()
    pairs: tuple[PairVerdict, ...] = ()
    repeatability: Estimate = Estimate()
    making: tuple[Making, ...] = ()
    lung: Estimate = Estimate()
    trained_on: tuple[str, ...] = ()

    @property
    def by_making(self) -> Making | None:
        """The kind of trace that the answers follow; None where no trace tells the class.

        One trace brings others along: noise and compression change how many grey levels there are. So a general kind
        counts only where the answers follow no other. Of the others, the most special is taken (`_most_special`). Where
        the answers follow none, it is the nearest to that.
        """
        followed = [each for each in self.making if each.counterfactual.below(CHANCE)]
        if followed:
            return _most_special([each for each in followed if not each.general] or followed)
        measured = [each for each in self.making if not np.isnan(each.counterfactual.value)]
        return min(measured, key=lambda each: each.counterfactual.value, default=None)

    @property
    def named_making(self) -> Making | None:
        """The kind of trace that a verdict names; None where no trace tells the class.

        JPEG takes noise away, and a network may follow the noise. So a special kind that the model needs is named
        before one that its answers follow.
        """
        needed = [each for each in self.making if each.needed and not each.general]
        return _most_special(needed) if self.making_outweighs and needed else self.by_making

    @property
    def making_outweighs(self) -> bool:
        """Whether the answers follow a trace of the making where it contradicts the class."""
        return self.by_making is not None and self.by_making.counterfactual.below(CHANCE)

    @property
    def by_background(self) -> list[PairVerdict]:
        """The pairs of classes that the background decides."""
        return [pair for pair in self.pairs if pair.conclusion == "elsewhere"]

    @property
    def maps_pass(self) -> bool:
        """Whether the maps are shown to depend on what the model learned."""
        return self.similarity.below(SIMILAR)

    @property
    def maps_repeat(self) -> bool:
        """Whether another seed gives like maps, as far as that was measured."""
        return bool(np.isnan(self.repeatability.value)) or self.repeatability.above(0)

    @property
    def background_suffices(self) -> bool:
        """Whether the background alone tells the classes apart, with much of the model's advantage over chance."""
        return self._suffices(self.background)

    @property
    def lung_suffices(self) -> bool:
        """Whether the lung alone tells the classes apart so, and nothing shows that the background does at all."""
        return self._suffices(self.lung) and not self.background.above(CHANCE)

    def _suffices(self, part: Estimate) -> bool:
        return part.above(CHANCE) and part.value - CHANCE >= SUFFICES * (self.auc.value - CHANCE)

    @property
    def lung_outweighs(self) -> bool:
        """Whether the predictions follow the lung where it contradicts the background."""
        return self.swap.below(CHANCE)

    @property
    def maps_on(self) -> bool:
        """Whether maps that count prefer the lung."""
        return self.maps_pass and self.maps_repeat and self.enrichment.above(1)

    @property
    def maps_off(self) -> bool:
        """Whether maps that count avoid the lung."""
        return self.maps_pass and self.maps_repeat and self.enrichment.below(1)

    @property
    def background_in_words(self) -> str:
        """The background, in the words of the input view."""
        return "the outline of the lung" if self.input_view == "segmented" else "what is not lung"

    @property
    def texts(self) -> dict[str, str]:
        """Every number as text, by its name, and `left`: what is left without lung tissue, in words."""
        return {
            "left": self.background_in_words,
            "patients": str(self.patients),
            "auc": str(self.auc),
            "background": str(self.background),
            "swap": str(self.swap),
            "enrichment": str(self.enrichment),
            "similarity": str(self.similarity),
            "repeatability": str(self.repeatability).replace("-", "−"),
            "lung": str(self.lung),
            "seen": listed([INSTRUMENTS[name] for name in self.trained_on]),
            "other": "another class" if self.pairs else "the other class",
            "classes": classes_by_background(self.pairs),
            **self._texts_of_sample,
            **self._texts_of_making,
        }

    @property
    def _texts_of_making(self) -> dict[str, str]:
        followed, named = self.by_making, self.named_making
        if followed is None or named is None:
            return {}
        same = named == followed
        return {
            "trace": named.trace,
            "trace_auc": number(named.auc),
            "needed": "" if same else f", without which the model has an AUC of {named.washed}",
            "such": "such traces" if same else f"traces of another kind ({followed.trace})",
            "followed": followed.trace,
            "counterfactual": str(followed.counterfactual),
        }

    @property
    def _texts_of_sample(self) -> dict[str, str]:
        if not self.sample.lost:
            return {}
        smallest, most_lost = self.sample.smallest, self.sample.most_lost
        return {
            "smallest": f"{smallest.patients_left} of {smallest.patients} patients with {smallest.label}",
            "most_lost": f"{100 * most_lost.lost:.0f} % of the slices of {most_lost.label}",
            "by_class": str(self.sample.by_class),
            "by_outcome": str(self.sample.by_outcome).replace("-", "−"),
        }


@dataclass(frozen=True)
class Rule:
    """One rule of the verdict.

    Attributes
    ----------
    name
        As it stands in verdicts.tsv.
    conclusion
        A key of CONCLUSIONS.
    holds
        Whether the rule decides on this evidence.
    reason
        A template over `Evidence.texts`.
    rests_on
        Of `remedies.INSTRUMENTS`. A model that was trained on one of them is not judged by this rule.
    """

    name: str
    conclusion: str
    holds: Callable[[Evidence], bool]
    reason: str
    rests_on: tuple[str, ...] = ()


RULES: tuple[Rule, ...] = (
    Rule(
        name="too few left",
        conclusion="withheld",
        holds=lambda seen: seen.sample.too_few_left,
        reason=f"{{smallest}} have a lung mask that passed quality control; {LIMITS.patients} are needed",
    ),
    Rule(
        name="masks mostly lost",
        conclusion="withheld",
        holds=lambda seen: seen.sample.mostly_lost,
        reason=f"{{most_lost}} have no lung mask that passed quality control; at most {100 * (1 - LIMITS.kept):.0f} %"
        " may be lost",
    ),
    Rule(
        name="loss follows class",
        conclusion="withheld",
        holds=lambda seen: seen.sample.follows_class,
        reason="which lung masks passed quality control depends on the class: the shares of slices that are lost differ"
        f" by {{by_class}}; at most {number(LIMITS.difference)} may be",
    ),
    Rule(
        name="loss follows errors",
        conclusion="withheld",
        holds=lambda seen: seen.sample.follows_outcome,
        reason="which lung masks passed quality control depends on whether the model is right: of wrong predictions the"
        f" share that is lost is higher by {{by_outcome}}; at most {number(LIMITS.difference)} may be",
    ),
    Rule(
        name="too few patients",
        conclusion="unknown",
        holds=lambda seen: seen.patients < FEWEST_PATIENTS,
        reason=f"{{patients}} test patients are too few; {FEWEST_PATIENTS} are needed",
    ),
    Rule(
        name="no interval",
        conclusion="unknown",
        holds=lambda seen: bool(np.isnan(seen.auc.low) or np.isnan(seen.swap.low)),
        reason="no interval could be computed",
    ),
    Rule(
        name="not learned",
        conclusion="unknown",
        holds=lambda seen: not seen.auc.above(CHANCE),
        reason="the model is not shown to beat chance: AUC {auc}",
    ),
    Rule(
        name="making outweighs",
        conclusion="making",
        holds=lambda seen: seen.making_outweighs,
        reason="{trace} alone tells the classes apart (AUC {trace_auc}){needed}, and where the images of one class are"
        " given {such}, and those of the other are not, the answers follow the traces: AUC {counterfactual}",
        rests_on=(MAKING,),
    ),
    Rule(
        name="background decides classes",
        conclusion="elsewhere",
        holds=lambda seen: 0 < len(seen.by_background) < len(seen.pairs),
        reason="the model tells {classes} by {left}, which is shown of no other class: over all pairs of classes AUC"
        " {background} without lung tissue, {swap} when the lung is swapped",
    ),
    Rule(
        name="both suffice",
        conclusion="unknown",
        holds=lambda seen: seen.background_suffices and seen.lung_outweighs,
        reason="{left} tells the classes apart by itself (AUC {background} without lung tissue), but where the lung"
        " disagrees the answers follow the lung (AUC {swap}): the model can use both",
        rests_on=(SWAP,),
    ),
    Rule(
        name="background suffices",
        conclusion="elsewhere",
        holds=lambda seen: seen.background_suffices,
        reason="{left} tells the classes apart by itself: AUC {background} without lung tissue, {auc} with it",
    ),
    Rule(
        name="background outweighs",
        conclusion="elsewhere",
        holds=lambda seen: seen.swap.above(CHANCE),
        reason="with another patient's lung of {other} the answers stay with {left}: AUC {swap}",
        rests_on=(SWAP,),
    ),
    Rule(
        name="maps not repeatable",
        conclusion="unknown",
        holds=lambda seen: not seen.maps_repeat,
        reason="maps of trainings that differ in their seed alone are no more alike than those of networks with random"
        " weights (rank correlation above what chance reaches: {repeatability}), so they say nothing about where the"
        " model looks; AUC {swap} when the lung is swapped",
    ),
    Rule(
        name="maps contradict",
        conclusion="unknown",
        holds=lambda seen: seen.lung_outweighs and seen.maps_off,
        reason="the answers follow the lung (AUC {swap} when it is swapped), but the maps lie outside it (enrichment"
        " {enrichment})",
        rests_on=(SWAP, MAPS),
    ),
    # A model that was not trained on changed making has its verdict before this one.
    Rule(
        name="making after training",
        conclusion="unknown",
        holds=lambda seen: seen.lung_outweighs and seen.making_outweighs,
        reason="the answers follow the lung (AUC {swap} when it is swapped), and also traces of the making ({followed})"
        " where these contradict the class: AUC {counterfactual}",
        rests_on=(SWAP,),
    ),
    Rule(
        name="lung outweighs",
        conclusion="lung",
        holds=lambda seen: seen.lung_outweighs,
        reason="with another patient's lung of {other} the answers follow that lung: AUC {swap}; without lung"
        " tissue {background}",
        rests_on=(SWAP,),
    ),
    Rule(
        name="lung suffices",
        conclusion="lung",
        holds=lambda seen: SWAP in seen.trained_on and seen.lung_suffices,
        reason="the lung tells the classes apart by itself: AUC {lung} with a flat grey around it, {background} without"
        " lung tissue",
    ),
    Rule(
        name="maps elsewhere",
        conclusion="elsewhere",
        holds=lambda seen: seen.maps_off,
        reason="neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps lie outside the"
        " lung (enrichment {enrichment})",
        rests_on=(SWAP, MAPS),
    ),
    Rule(
        name="maps on the lung alone",
        conclusion="unknown",
        holds=lambda seen: seen.maps_on,
        reason="the maps lie on the lung (enrichment {enrichment}), but neither part outweighs the other (AUC {swap}"
        " when the lung is swapped)",
        rests_on=(SWAP, MAPS),
    ),
    Rule(
        name="maps do not count",
        conclusion="unknown",
        holds=lambda seen: not seen.maps_pass,
        reason="neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps are not shown to"
        " depend on what was learned",
        rests_on=(SWAP, MAPS),
    ),
    Rule(
        name="no map",
        conclusion="unknown",
        holds=lambda seen: bool(np.isnan(seen.enrichment.low)),
        reason="neither part outweighs the other (AUC {swap} when the lung is swapped), and no map could be measured",
        rests_on=(SWAP, MAPS),
    ),
    Rule(
        name="no preference",
        conclusion="chance",
        holds=lambda seen: True,
        reason="neither part outweighs the other (AUC {swap} when the lung is swapped), and the maps have no"
        " preference (enrichment {enrichment})",
        rests_on=(SWAP, MAPS),
    ),
    Rule(
        name="instruments seen",
        conclusion="unknown",
        holds=lambda seen: True,
        reason="what the model was not trained on does not decide: AUC {background} without lung tissue, {lung} with"
        " the lung alone",
    ),
)


class Verdict(NamedTuple):
    """The verdict on one model.

    Attributes
    ----------
    conclusion
        A key of CONCLUSIONS.
    rule
        The name of the rule that decided.
    sentence
        The conclusion and its reason, with numbers.
    """

    conclusion: str
    rule: str
    sentence: str


def decide(seen: Evidence) -> Verdict:
    """Give the verdict of the first rule that holds, with what did not count and how many slices were left out."""
    rule = next(rule for rule in RULES if not {*rule.rests_on} & {*seen.trained_on} and rule.holds(seen))
    words = CONCLUSIONS[rule.conclusion]
    sentence = f"{words[0].upper()}{words[1:]}: {rule.reason.format_map(seen.texts)}."
    sentence += TRAINED_ON.format_map(seen.texts) if seen.trained_on else ""
    lost = f"{LEFT_OUT}{seen.sample.lost_of_classes}." if seen.sample.lost else ""
    return Verdict(rule.conclusion, rule.name, sentence + lost)


def _rows(audited: pd.DataFrame, test: str, variant: str, measure: str, unit: str) -> pd.DataFrame:
    return audited[
        (audited["test"] == test)
        & (audited["variant"] == variant)
        & (audited["measure"] == measure)
        & (audited["unit"] == unit)
    ]


def estimate(audited: pd.DataFrame, test: str, variant: str, measure: str, unit: str = "patient") -> Estimate:
    """Look up one number of an audit table; a missing one where the table has no such row."""
    rows = _rows(audited, test, variant, measure, unit)
    if rows.empty:
        return Estimate()
    return Estimate(*(float(rows[name].iloc[0]) for name in ("value", "value_lo", "value_hi")))


def evidence_of(
    input_view: str,
    audited: pd.DataFrame,
    enrichment: Estimate,
    sample: AuditedSample | None = None,
    pairs: tuple[PairVerdict, ...] = (),
    repeatability: Estimate = NOT_MEASURED,
    making: tuple[Making, ...] = (),
    trained_on: tuple[str, ...] = (),
) -> Evidence:
    """Collect the evidence on one model.

    Parameters
    ----------
    input_view
        "whole" or "segmented".
    audited
        The model's rows of the audit tables.
    enrichment
        Of its maps, over all its test slices.
    sample
        What is left of its test slices; None where nothing was left out.
    pairs
        The verdicts on the pairs of its classes, with more than two.
    repeatability
        Of the maps of its replicates, where there are some.
    making
        Of each kind of trace that tells the class in its cohort.
    trained_on
        The instruments that it has seen in training.
    """
    unmodified, background, swap, lung = (
        estimate(audited, "intervention", name, "roc_auc")
        for name in (UNMODIFIED, "background_only_mean", "background_only_other", "lung_only_mean")
    )
    similarity = estimate(audited, "randomisation", FULLY_RANDOMISED, "rank_correlation", "slice")
    patients = int(_rows(audited, "intervention", UNMODIFIED, "roc_auc", "patient")["n"].sum())
    sample = sample or AuditedSample()
    return Evidence(
        *(input_view, patients, unmodified, background, swap, enrichment, similarity, sample, pairs),
        repeatability=repeatability,
        making=making,
        lung=lung,
        trained_on=trained_on,
    )
