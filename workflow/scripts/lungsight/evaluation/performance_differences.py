"""Compare pairs of models: differences of metrics on the same patients, with intervals and p-values.

Both models are evaluated on the test rows that both have, under the same draws of patients. What makes a patient hard
for both models therefore cancels.

- Interval: the 95 % percentile interval of the resampled differences.
- p-value: two-sided, the smallest level at which such an interval leaves 0 out, with 1 added to both counts.
- Correction: Holm's, over the p-values of one comparison, cohort, unit and metric. It bounds the chance that any claim
  of the family is false.

References
----------
Davison, A. C. and Hinkley, D. V. (1997). Bootstrap Methods and their Application.
Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of Statistics 6, 65-70.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypedDict

import numpy as np
import pandas as pd

from lungsight.classes import PROBABILITY, places_of, probabilities_of
from lungsight.evaluation.aggregation import patient_level, scores_in
from lungsight.evaluation.class_metrics import Costs, overall_metrics, resampled
from lungsight.evaluation.intervals import FloatArray, percentile_interval
from lungsight.evaluation.metrics import (
    resampled_metrics,
    select_test_rows,
    truth_and_probability,
    weighted_metrics,
)
from lungsight.tables import columns_of
from lungsight.training import published_models
from lungsight.training.pipelines import TARGET_ONLY, Pipeline

COMPARED = ("roc_auc", "accuracy", "recall", "specificity")
COMPARED_OF_CLASSES = ("macro_auc", "hand_till", "macro_f1", "balanced_accuracy", "kappa")
UNITS = ("slice", "patient")
FAMILY = ["comparison", "cohort", "unit", "metric"]


class Model(NamedTuple):
    """One trained model: a pipeline and the name of its stage, "1", "2" or TARGET_ONLY."""

    pipeline: Pipeline
    stage: str


class Pair(NamedTuple):
    """Two models that differ in one thing, named by `comparison`; a difference is second − first."""

    comparison: str
    first: Model
    second: Model


class DifferenceRow(TypedDict):
    """One metric of a pair on one cohort, by slice or by patient, as report/differences.tsv has it."""

    metric: str
    n: int
    n_patients: int
    first: float
    second: float
    difference: float
    difference_lo: float
    difference_hi: float
    p: float


def _starting_with(stage: str, first: Model, second: Model) -> tuple[Model, Model]:
    """Order two models of different stages: that of `stage` comes first."""
    return (first, second) if first.stage == stage else (second, first)


def _compared_words(pipeline: Pipeline) -> dict[str, str]:
    return pipeline.columns | {"remedy": pipeline.remedy}


def model_pairs(models: Iterable[Model]) -> Iterator[Pair]:
    """Yield the pairs that differ in input view, architecture, start weights, remedy or stage alone, in their order.

    A comparison has the name of the column that differs. Where one of two architectures is a published model it is
    `system`: a published model may differ from a backbone in more than the network. A `remedy` is compared with none.
    """
    published = set(published_models.names())
    for first, second in combinations(models, 2):
        columns = _compared_words(first.pipeline)
        differ = [name for name, word in _compared_words(second.pipeline).items() if word != columns[name]]
        stages = {first.stage, second.stage}
        if not differ and stages == {"1", "2"}:
            yield Pair("adaptation", *_starting_with("1", first, second))
        elif not differ and stages == {"2", TARGET_ONLY}:
            yield Pair("stage 1 first", *_starting_with(TARGET_ONLY, first, second))
        elif differ == ["remedy"] and len(stages) == 1:
            if not (first.pipeline.remedy and second.pipeline.remedy):
                yield Pair("remedy", *((second, first) if first.pipeline.remedy else (first, second)))
        elif len(differ) == 1 and len(stages) == 1:
            architectures = {first.pipeline.architecture, second.pipeline.architecture}
            is_published = differ == ["backbone"] and published & architectures
            yield Pair("system" if is_published else differ[0], first, second)


def shared_rows(first: pd.DataFrame, second: pd.DataFrame, unit: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the test rows that two prediction tables share, in the same order, by slice or by patient."""
    tables = [select_test_rows(table) for table in (first, second)]
    if unit == "patient":
        tables = [patient_level(table) for table in tables]
    key = [unit, "label"] if unit == "patient" else [unit]
    scores = [PROBABILITY, *scores_in(tables[1])]
    shared = tables[0].merge(tables[1][[*key, *scores]], on=key, suffixes=("", "_second"))
    return shared, shared.assign(**{name: shared[f"{name}_second"] for name in scores})


def p_value(differences: FloatArray) -> float:
    """Compute the two-sided bootstrap p-value of resampled differences (b,).

    NaN differences do not count. Returns NaN where none is left.
    """
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return np.nan
    tails = (defined <= 0).sum(), (defined >= 0).sum()
    return float(min(1.0, 2 * (1 + min(tails)) / (1 + len(defined))))


def holm(p: FloatArray) -> FloatArray:
    """Adjust p-values (n,) by Holm's step-down correction; NaN stays NaN and does not count."""
    adjusted = np.full(len(p), np.nan)
    order = np.flatnonzero(~np.isnan(p))[np.argsort(p[~np.isnan(p)], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted


def _compared_metrics(
    table: pd.DataFrame, positive: str, resamples: int, seed: int, labels: Sequence[str], costs: Costs
) -> tuple[dict[str, float], FloatArray]:
    """Compute the compared metrics of a table, and under every draw of patients: (resamples, metrics).

    They are those of COMPARED, and with more than two classes those of COMPARED_OF_CLASSES.
    """
    truth, probability = truth_and_probability(table, positive)
    ones = np.ones((1, len(table)))
    point = weighted_metrics(truth, probability, ones)
    values = {metric: float(point[metric][0]) for metric in COMPARED}
    drawn = resampled_metrics(table, positive, resamples, seed, metrics=COMPARED)
    if len(labels) <= 2:
        return values, drawn
    overall = overall_metrics(places_of(table["label"], labels), probabilities_of(table, labels), ones, costs)
    values |= {metric: float(overall[metric][0]) for metric in COMPARED_OF_CLASSES}
    if not len(drawn):
        return values, np.empty((0, len(values)))
    of_classes = resampled(overall_metrics, table, labels, costs, resamples, seed)
    return values, np.column_stack([drawn, *(of_classes[metric] for metric in COMPARED_OF_CLASSES)])


def paired_rows(
    first: pd.DataFrame,
    second: pd.DataFrame,
    unit: str,
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
) -> list[DifferenceRow]:
    """Compare two prediction tables: a row per metric.

    Parameters
    ----------
    first, second
        Prediction tables of two models on one cohort.
    unit
        "slice" or "patient".
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    labels, costs
        Of more than two classes: all of them in order, and the costs of `class_metrics.decide`.

    Returns
    -------
    Both values, second − first, its interval and p-value. NaN where a metric is undefined, and in the interval and the
    p-value without two patients. Empty where the tables share no test row.
    """
    tables = shared_rows(first, second, unit)
    if tables[0].empty:
        return []
    computed = [_compared_metrics(table, positive, resamples, seed, labels, costs) for table in tables]
    (of_first, drawn_of_first), (of_second, drawn_of_second) = computed
    differences: FloatArray = drawn_of_second - drawn_of_first
    low, high = percentile_interval(differences) if len(differences) else np.full((2, len(of_first)), np.nan)
    rows: list[DifferenceRow] = []
    for number, metric in enumerate(of_first):
        value_of_first, value_of_second = of_first[metric], of_second[metric]
        rows.append(
            {
                "metric": metric,
                "n": len(tables[0]),
                "n_patients": tables[0]["patient"].nunique(),
                "first": value_of_first,
                "second": value_of_second,
                "difference": value_of_second - value_of_first,
                "difference_lo": float(low[number]),
                "difference_hi": float(high[number]),
                "p": p_value(differences[:, number]),
            }
        )
    return rows


def _holm_of_family(p: "pd.Series[float]") -> FloatArray:
    return holm(np.asarray(p, dtype=np.float64))


def difference_table(
    predictions: Mapping[tuple[Model, str], pd.DataFrame],
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
) -> pd.DataFrame:
    """Compute report/differences.tsv: every pair of models on every cohort that both predict.

    Parameters
    ----------
    predictions
        Prediction tables by (model, cohort).
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    labels, costs
        As for `paired_rows`.
    """
    cohorts = list(dict.fromkeys(cohort for _, cohort in predictions))
    rows: list[dict[str, object]] = []
    for pair in model_pairs(dict.fromkeys(model for model, _ in predictions)):
        identity = {
            "comparison": pair.comparison,
            "first_pipeline": pair.first.pipeline.name,
            "first_stage": pair.first.stage,
            "second_pipeline": pair.second.pipeline.name,
            "second_stage": pair.second.stage,
        }
        for cohort in cohorts:
            first, second = predictions.get((pair.first, cohort)), predictions.get((pair.second, cohort))
            if first is None or second is None:
                continue
            for unit in UNITS:
                compared = paired_rows(first, second, unit, positive, resamples, seed, labels, costs)
                rows += [{**identity, "cohort": cohort, "unit": unit, **row} for row in compared]
    if not rows:
        return pd.DataFrame(columns=columns_of("differences"))
    table = pd.DataFrame(rows)
    return table.assign(p_holm=table.groupby(FAMILY, sort=False)["p"].transform(_holm_of_family))
