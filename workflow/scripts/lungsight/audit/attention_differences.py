"""Where two models look: whole against segmented slices, trained from scratch against ImageNet weights.

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
from lungsight.audit.rows import Statistic, auc_statistic, clustered_interval
from lungsight.rows import ComparisonsRow
from lungsight.training.pipelines import Pipeline

Model = tuple[str, int]
PAIRS = {"framework": ("whole", "segmented"), "weights": ("scratch", "imagenet")}
MEASURES = {"swap": "AUC, lung swapped", "enrichment": "enrichment"}
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


def patients_of(logits: pd.DataFrame, saliency: pd.DataFrame) -> pd.DataFrame:
    """Average over slices what the measures are made from.

    Parameters
    ----------
    logits
        intervention_logits.tsv of a model.
    saliency
        Its saliency.tsv.

    Returns
    -------
    pandas.DataFrame
        A row per test patient and label, with the columns of MEASURES.
    """
    keys = ["patient", "label"]
    parts = [logits[keys].assign(swap=expit(logits[f"{BACKGROUND_ONLY}_other"])), saliency[[*keys, "enrichment"]]]
    swap, enrichment = (part.groupby(keys, sort=False, as_index=False).mean() for part in parts)
    return swap.merge(enrichment, on=keys, how="outer")


def attention_pairs(models: list[Model]) -> Iterator[AttentionPair]:
    """Find every pair among the models, in their order."""
    for compared, (first, second) in PAIRS.items():
        for name, stage in models:
            words = Pipeline.parse(name).columns
            other = Pipeline(*(words | {compared: second}).values()).name
            if words[compared] == first and (other, stage) in models:
                yield AttentionPair(compared, stage, name, other)


def compare(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, positive: str, resamples: int, seed: int
) -> AttentionDifference:
    """Compare two models in one measure, on the patients that have it in both. first, second: as `patients_of`."""
    both = first.merge(second, on=["patient", "label"], suffixes=("_first", "_second"))
    both = both[both[[f"{measure}_first", f"{measure}_second"]].notna().all(axis=1)]
    truth = (both["label"] == positive).to_numpy()
    if both.empty or (measure == "swap" and (truth.all() or not truth.any())):
        return _not_compared(len(both))
    of_first, of_second = (_statistic(both[f"{measure}_{name}"], truth, measure) for name in ("first", "second"))
    difference, (low, high) = clustered_interval(
        lambda weights: of_second(weights) - of_first(weights), both["patient"], resamples, seed
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


def _statistic(values: "pd.Series[float]", truth: np.ndarray, measure: str) -> Statistic:
    numbers = values.to_numpy(np.float64)
    if measure == "enrichment":
        return lambda weights: weights @ numbers / weights.sum(axis=1)
    return auc_statistic(truth, numbers)


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
