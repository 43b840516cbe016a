"""Where two models look: whole against segmented slices, one kind of start weights against another.

Two models of a pair differ in nothing else and are compared on the same test patients. A difference is the second
model's number minus the first's. Its interval comes from resampling those patients. The models' performance is compared
in report/differences.tsv.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypedDict

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.interventions import BACKGROUND_ONLY
from lungsight.audit.occlusion_tests import logits_by_class
from lungsight.audit.pairs import PairScores, Statistic, pairs_of, scores_of_swaps
from lungsight.audit.rows import clustered_interval
from lungsight.evaluation.intervals import lone_classes
from lungsight.rows import ComparisonsRow
from lungsight.training.pipelines import Pipeline

Model = tuple[str, int]
# Column, first word, second word.
PAIRS = (
    ("framework", "whole", "segmented"),
    ("weights", "scratch", "imagenet"),
    ("weights", "scratch", "simsiam"),
    ("weights", "imagenet", "simsiam"),
)
SWAP, ENRICHMENT = "swap", "enrichment"
MEASURES = {SWAP: "AUC, lung swapped", ENRICHMENT: "enrichment"}
SWAPPED = f"{BACKGROUND_ONLY}_other"
NOT_SHARED = "no patient of each class in both"


class AttentionPair(NamedTuple):
    """Two pipelines that differ in one word of their name, `compared`, in one stage."""

    compared: str
    stage: int
    first: str
    second: str


class AttentionDifference(TypedDict):
    """Both values of one measure, and their difference. The numbers are NaN where there is a reason."""

    patients: int
    first: float
    second: float
    difference: float
    difference_lo: float
    difference_hi: float
    reason: str


def patients_of(logits: pd.DataFrame, saliency: pd.DataFrame, swaps: pd.DataFrame | None = None) -> pd.DataFrame:
    """Average over slices what the measures are made from.

    Parameters
    ----------
    logits
        intervention_logits.tsv of a model.
    saliency
        Its saliency.tsv.
    swaps
        Its swap_logits.tsv; None with two classes.

    Returns
    -------
    pandas.DataFrame
        A row per test patient and label, with the columns of MEASURES. With more than two classes there is a column
        `swap_of` each pair, NaN where the patient's class is not in it.
    """
    keys = ["patient", "label"]
    parts = [_swap_of_slices(logits, swaps), saliency[[*keys, "enrichment"]]]
    swap, enrichment = (part.groupby(keys, sort=False, as_index=False).mean() for part in parts)
    return swap.merge(enrichment, on=keys, how="outer")


def swap_of(pair: tuple[str, str]) -> str:
    """Name the column of a pair of classes. No class has a tab in its name."""
    return "\t".join((SWAP, *pair))


def _swap_of_slices(logits: pd.DataFrame, swaps: pd.DataFrame | None) -> pd.DataFrame:
    if swaps is None:
        return logits[["patient", "label"]].assign(**{SWAP: expit(logits[SWAPPED])})
    if logits.empty:
        return logits[["patient", "label"]]
    slices, _, labels = logits_by_class(logits)
    scores = scores_of_swaps(swaps, slices, SWAPPED, labels)
    return scores.table.assign(
        **{swap_of(pair): scores.values[:, place] for place, pair in enumerate(pairs_of(labels))}
    )


def attention_pairs(models: list[Model]) -> Iterator[AttentionPair]:
    """Find every pair among the models, in their order."""
    for compared, first, second in PAIRS:
        for name, stage in models:
            pipeline = Pipeline.parse(name)
            words = pipeline.columns
            first_three = (words | {compared: second}).values()
            other = Pipeline(*first_three, remedy=pipeline.remedy).name
            if words[compared] == first and (other, stage) in models:
                yield AttentionPair(compared, stage, name, other)


def compare(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, positive: str, resamples: int, seed: int
) -> AttentionDifference:
    """Compare two models in one measure, on the patients that have it in both. first, second: as `patients_of`."""
    columns = [name for name in first.columns if name.split("\t")[0] == measure and name in second.columns]
    both = first.merge(second, on=["patient", "label"], suffixes=("_first", "_second"))
    held = [both[[f"{name}_first", f"{name}_second"]].notna().all(axis=1) for name in columns]
    both = both[pd.concat(held, axis=1).any(axis=1)] if held else both.head(0)
    of_first, of_second = (_statistic(both, columns, end, positive) for end in ("_first", "_second"))
    if both.empty or of_first is None or of_second is None:
        return _not_compared(len(both))
    of_pairs = any("\t" in name for name in columns)
    labels = both["label"] if of_pairs else None
    drawn = 0 if labels is not None and lone_classes(both) else resamples
    difference, (low, high) = clustered_interval(
        lambda weights: of_second(weights) - of_first(weights), both["patient"], drawn, seed, labels=labels
    )
    once = np.ones((1, len(both)))
    return AttentionDifference(
        patients=len(both),
        first=float(of_first(once)[0]),
        second=float(of_second(once)[0]),
        difference=difference,
        difference_lo=low,
        difference_hi=high,
        reason="",
    )


def _not_compared(patients: int) -> AttentionDifference:
    return AttentionDifference(
        patients=patients,
        first=np.nan,
        second=np.nan,
        difference=np.nan,
        difference_lo=np.nan,
        difference_hi=np.nan,
        reason=NOT_SHARED,
    )


def _statistic(both: pd.DataFrame, columns: list[str], end: str, positive: str) -> Statistic | None:
    """Make a measure of one of the models a statistic of patients; None where no pair of classes has both."""
    values = both[[f"{name}{end}" for name in columns]].set_axis(columns, axis=1)
    return statistic_of(both[["patient", "label"]], values, positive)


def statistic_of(table: pd.DataFrame, values: pd.DataFrame, positive: str) -> Statistic | None:
    """Make a measure a statistic of patients; None where no pair of classes has patients of both.

    Parameters
    ----------
    table
        A row per patient: patient, label.
    values
        Of these rows, in the columns of one measure, as `patients_of` has them: the enrichment, a score whose AUC is
        that of the positive class, or a score for each pair of classes.
    positive
        Label of the first of two classes.
    """
    numbers, names = values.to_numpy(np.float64), [str(name) for name in values.columns]
    if names == [ENRICHMENT]:
        return lambda weights: weights @ numbers[:, 0] / weights.sum(axis=1)
    firsts = [name.split("\t")[1] if "\t" in name else positive for name in names]
    scores = PairScores(table, numbers, firsts)
    return scores.statistic() if scores.measured else None


def comparison_rows(
    models: Mapping[Model, pd.DataFrame], positive: str, resamples: int, seed: int
) -> list[ComparisonsRow]:
    """Make report/comparisons.tsv. models: (pipeline, stage) → as `patients_of`, in the config's order."""
    return [
        ComparisonsRow(
            compared=pair.compared,
            stage=pair.stage,
            first_pipeline=pair.first,
            second_pipeline=pair.second,
            measure=measure,
            **compare(
                models[pair.first, pair.stage], models[pair.second, pair.stage], measure, positive, resamples, seed
            ),
        )
        for pair in attention_pairs(list(models))
        for measure in MEASURES
    ]
