"""Where two models look: whole against segmented slices, from scratch against ImageNet weights, as the thesis asked.

Two models of a pair differ in nothing else and are compared on the same test patients; a difference is the second's
number less the first's, and its interval comes from drawing those patients anew. How well they do is compared in
report/differences.tsv.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.interventions import BACKGROUND_ONLY
from lungsight.audit.rows import auc_statistic, clustered_interval
from lungsight.training.pipelines import Pipeline

PAIRS = {"framework": ("whole", "segmented"), "weights": ("scratch", "imagenet")}
MEASURES = {"swap": "AUC, lung swapped", "enrichment": "enrichment"}


class Compared(NamedTuple):
    """A statistic of weighted patients for each of two models; (b, n) weights → (b,)."""

    first: Callable[[np.ndarray], np.ndarray]
    second: Callable[[np.ndarray], np.ndarray]


def patients_of(logits: pd.DataFrame, saliency: pd.DataFrame) -> pd.DataFrame:
    """One row per test patient and label: columns of MEASURES, the mean over slices of what each is made from.

    logits: intervention_logits.tsv. saliency: saliency.tsv.
    """
    keys = ["patient", "label"]
    parts = [logits[keys].assign(swap=expit(logits[f"{BACKGROUND_ONLY}_other"])), saliency[[*keys, "enrichment"]]]
    first, second = (part.groupby(keys, sort=False, as_index=False).mean() for part in parts)
    return first.merge(second, on=keys, how="outer")


def attention_pairs(models: list[tuple[str, int]]) -> Iterator[tuple[str, int, str, str]]:
    """(what differs, stage, first pipeline, second pipeline) for every pair among the models, in their order."""
    for what, (first, second) in PAIRS.items():
        for name, stage in models:
            words = Pipeline.parse(name).columns
            other = Pipeline(*(words | {what: second}).values()).name
            if words[what] == first and (other, stage) in models:
                yield what, stage, name, other


def compare(
    first: pd.DataFrame, second: pd.DataFrame, measure: str, positive: str, resamples: int, seed: int
) -> dict[str, float]:
    """One measure of two models on the patients that have it in both. first, second: as `patients_of`."""
    both = first.merge(second, on=["patient", "label"], suffixes=("_first", "_second"))
    both = both[both[[f"{measure}_first", f"{measure}_second"]].notna().all(axis=1)]
    truth = (both["label"] == positive).to_numpy()
    if both.empty or (measure == "swap" and (truth.all() or not truth.any())):
        return {"patients": len(both), "reason": "no patient of each class in both"}
    compared = Compared(*(_statistic(both[f"{measure}_{which}"], truth, measure) for which in Compared._fields))
    once = np.ones((1, len(both)))
    value, (low, high) = clustered_interval(
        lambda weights: compared.second(weights) - compared.first(weights), both["patient"], resamples, seed
    )
    sides = {which: float(getattr(compared, which)(once)[0]) for which in Compared._fields}
    difference = {"difference": value, "difference_lo": low, "difference_hi": high}
    return {"patients": len(both), **sides, **difference, "reason": ""}


def _statistic(values: pd.Series, truth: np.ndarray, measure: str) -> Callable[[np.ndarray], np.ndarray]:
    numbers = values.to_numpy(np.float64)
    if measure == "enrichment":
        return lambda weights: weights @ numbers / weights.sum(axis=1)
    return auc_statistic(truth, numbers)


def comparison_rows(
    models: dict[tuple[str, int], pd.DataFrame], positive: str, resamples: int, seed: int
) -> list[dict]:
    """report/comparisons.tsv. models: (pipeline, stage) → as `patients_of`, in the config's order."""
    missing = {
        "first": np.nan,
        "second": np.nan,
        "difference": np.nan,
        "difference_lo": np.nan,
        "difference_hi": np.nan,
    }
    return [
        {"compared": what, "stage": stage, "first_pipeline": first, "second_pipeline": second, "measure": measure}
        | missing
        | compare(models[first, stage], models[second, stage], measure, positive, resamples, seed)
        for what, stage, first, second in attention_pairs(list(models))
        for measure in MEASURES
    ]
