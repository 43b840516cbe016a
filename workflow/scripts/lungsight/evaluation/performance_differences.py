"""Whether one model is better than another: paired differences, tested on the same patients.

Both models are evaluated on the test rows that both have, under the same draws of patients, so that what makes a
patient hard for both cancels. The interval is the 95 % percentile interval of the difference, the p-value the smallest
level at which such an interval leaves 0 out (two-sided, Davison and Hinkley 1997, with 1 added to both counts). Of the
p-values that belong together, Holm's (1979) correction bounds the chance of a single false claim.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import percentile_interval
from lungsight.evaluation.metrics import METRICS, patient_level, resampled_metrics, weighted_metrics
from lungsight.tables import columns_of
from lungsight.training import published_models
from lungsight.training.pipelines import TARGET_ONLY, Pipeline

COMPARED = ("roc_auc", "accuracy", "recall", "specificity")
UNITS = ("slice", "patient")
FAMILY = ["comparison", "cohort", "unit", "metric"]


class Model(NamedTuple):
    """One trained model: a pipeline and the name of its stage, "1", "2" or TARGET_ONLY."""

    pipeline: Pipeline
    stage: str


class Pair(NamedTuple):
    """Two models that differ in one thing; a difference is second − first."""

    comparison: str
    first: Model
    second: Model


def model_pairs(models: Iterable[Model]) -> Iterator[Pair]:
    """Pairs that differ in the framework, the backbone, the start weights, or the stage alone, in the models' order.

    What differs is called the system where a published one is among the two: it may differ in more than the backbone.
    """
    published = set(published_models.names())
    for first, second in combinations(models, 2):
        columns = first.pipeline.columns
        differ = [name for name, word in second.pipeline.columns.items() if word != columns[name]]
        if not differ and {first.stage, second.stage} == {"1", "2"}:
            yield Pair("adaptation", *sorted((first, second), key=lambda model: model.stage))
        elif not differ and {first.stage, second.stage} == {"2", TARGET_ONLY}:
            yield Pair("stage 1 first", *sorted((first, second), key=lambda model: model.stage, reverse=True))
        elif len(differ) == 1 and first.stage == second.stage:
            of_system = differ == ["backbone"] and published & {
                first.pipeline.architecture,
                second.pipeline.architecture,
            }
            yield Pair("system" if of_system else differ[0], first, second)


def shared_rows(first: pd.DataFrame, second: pd.DataFrame, unit: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The test rows that two prediction tables share, in the same order, by slice or by patient (mean)."""
    tables = [table[table["split"] == "test"] for table in (first, second)]
    if unit == "patient":
        tables = [patient_level(table) for table in tables]
    key = [unit, "label"] if unit == "patient" else [unit]
    shared = tables[0].merge(tables[1][[*key, "probability"]], on=key, suffixes=("", "_second"))
    return shared, shared.assign(probability=shared["probability_second"])


def p_value(differences: np.ndarray) -> float:
    """Two-sided bootstrap p-value of resampled differences (b,), NaN left out; NaN where none is left."""
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return np.nan
    tails = (defined <= 0).sum(), (defined >= 0).sum()
    return float(min(1.0, 2 * (1 + min(tails)) / (1 + len(defined))))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values, (n,) float64; NaN stays and does not count."""
    adjusted = np.full(len(p), np.nan)
    order = np.flatnonzero(~np.isnan(p))[np.argsort(p[~np.isnan(p)], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted


def paired_rows(
    first: pd.DataFrame, second: pd.DataFrame, unit: str, positive: str, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """One row per metric of COMPARED: both values, their difference, its interval and p-value.

    first, second: prediction tables. NaN where a metric is undefined, or without two patients. No row without a shared
    test row.
    """
    tables = shared_rows(first, second, unit)
    if tables[0].empty:
        return []
    truth = (tables[0]["label"] == positive).to_numpy()
    ones = np.ones((1, len(truth)))
    values = [weighted_metrics(truth, table["probability"].to_numpy(np.float64), ones) for table in tables]
    columns = [METRICS.index(metric) for metric in COMPARED]
    drawn = [resampled_metrics(table, positive, resamples, seed)[:, columns] for table in tables]
    differences = drawn[1] - drawn[0]
    low, high = percentile_interval(differences) if len(differences) else np.full((2, len(COMPARED)), np.nan)
    rows = []
    for number, metric in enumerate(COMPARED):
        before, after = (float(value[metric][0]) for value in values)
        rows.append(
            {
                **{"metric": metric, "n": len(truth), "n_patients": tables[0]["patient"].nunique()},
                **{"first": before, "second": after, "difference": after - before},
                **{"difference_lo": float(low[number]), "difference_hi": float(high[number])},
                "p": p_value(differences[:, number]),
            }
        )
    return rows


def difference_table(
    predictions: Mapping[tuple[Model, str], pd.DataFrame], positive: str, resamples: int, seed: int
) -> pd.DataFrame:
    """report/differences.tsv from the prediction tables by (model, cohort): every pair on every cohort that both have.

    Holm's correction counts the pairs of one comparison, cohort, unit and metric together.
    """
    cohorts = list(dict.fromkeys(cohort for _, cohort in predictions))
    rows = []
    for pair in model_pairs(dict.fromkeys(model for model, _ in predictions)):
        identity = {
            **{"comparison": pair.comparison, "first_pipeline": pair.first.pipeline.name},
            **{"first_stage": pair.first.stage, "second_pipeline": pair.second.pipeline.name},
            "second_stage": pair.second.stage,
        }
        for cohort in cohorts:
            tables = [predictions.get((model, cohort)) for model in pair[1:]]
            if all(table is not None for table in tables):
                for unit in UNITS:
                    found = paired_rows(*tables, unit, positive, resamples, seed)
                    rows += [{**identity, "cohort": cohort, "unit": unit, **row} for row in found]
    if not rows:
        return pd.DataFrame(columns=columns_of("differences"))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=table.groupby(FAMILY, sort=False)["p"].transform(lambda p: holm(p.to_numpy())))
