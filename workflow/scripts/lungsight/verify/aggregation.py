"""Compute report/aggregation.tsv again: the ways from slices to a patient, and the thresholds that validation chose."""

import re
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from sklearn.metrics import roc_curve

from lungsight.verify.classes import overall
from lungsight.verify.compare import Expected
from lungsight.verify.run import Run, by_patient, of_patients, probabilities_of, test_rows
from lungsight.verify.statistics import NAN, Scores, all_values, pairs_won

TOP, CUTS = (3, 1, 2, 5, 10), (0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.1, 0.9)
NOT_OF_SHARES = ("brier", "ece")


def _scored(table: pd.DataFrame) -> list[str]:
    """Name the columns with probabilities: of the first class, or of each of more than two."""
    return [name for name in table.columns if re.fullmatch("p_[0-9]+", name)] or ["probability"]


def _of_sum_1(table: pd.DataFrame) -> pd.DataFrame:
    """Divide the scores of more than two classes by their sum; where it is 0, they become equal."""
    columns = _scored(table)
    if columns == ["probability"]:
        return table
    scores = table[columns].to_numpy(float)
    total = scores.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, scores / np.where(total > 0, total, 1), 1 / len(columns))
    return table.assign(**dict(zip(columns, shares.T, strict=True)), probability=shares[:, 0])


def _highest(table: pd.DataFrame, k: float) -> pd.DataFrame:
    """Average the k highest probabilities of each patient; each class has its own k slices."""
    groups, highest = table.groupby(["patient", "label"], sort=False), {}
    for column in _scored(table):
        kept = groups[column].nlargest(int(k)).index.get_level_values(-1)
        highest[column] = table[column].where(table.index.isin(kept))
    return _of_sum_1(by_patient(table.assign(**highest)))


def _share(table: pd.DataFrame, cut: float) -> pd.DataFrame:
    """Take the share of a patient's slices at or above a cut."""
    reached = {column: (table[column] >= cut).astype(float) for column in _scored(table)}
    return _of_sum_1(by_patient(table.assign(**reached)))


AGGREGATIONS: dict[str, tuple[Callable[[pd.DataFrame, float], pd.DataFrame], tuple[float, ...]]] = {
    "slice": (lambda table, _: table, (NAN,)),
    "pooled": (lambda table, _: of_patients(table), (NAN,)),
    "mean": (lambda table, _: by_patient(table), (NAN,)),
    "top_k": (_highest, TOP),
    "fraction": (_share, CUTS),
}


def exact_auc(table: pd.DataFrame, positive: str) -> float:
    """Compute an AUC in whole and half pairs, so that equal ones are equal; −1 for one class, below all others."""
    scores = Scores(table, positive)
    pairs = int(scores.truth.sum()) * int((~scores.truth).sum())
    return float(pairs_won(scores).sum() / pairs) if pairs else -1.0


def _auc(run: Run, table: pd.DataFrame) -> float:
    """Compute the AUC, of more than two classes the mean over the classes; −1 for one class."""
    if not run.of_classes:
        return exact_auc(table, run.drawing.positive)
    labels = [label for label in run.classes if (table["label"] == label).any()]
    if len(labels) < 2:
        return -1.0
    of_class = dict(zip(run.classes, run.of_classes, strict=True))
    return float(np.mean([exact_auc(table.assign(probability=table[of_class[label]]), label) for label in labels]))


def youden_threshold(table: pd.DataFrame, positive: str) -> float | None:
    """Choose the threshold with the highest sensitivity + specificity, nearest to 0.5; None for one class."""
    scores = Scores(table, positive)
    if scores.truth.all() or not scores.truth.any():
        return None
    false_positive, recall, levels = roc_curve(scores.truth, scores.probability, drop_intermediate=False)
    gains, levels = (recall - false_positive)[1:], levels[1:]  # without the level above all scores
    thresholds = np.append((levels[:-1] + levels[1:]) / 2, levels[-1])  # halfway to the next lower score
    best = thresholds[np.isclose(gains, gains.max())]
    return float(min(best, key=lambda at: (abs(at - 0.5), at)))


def aggregation_rows(run: Run) -> Iterator[Expected]:
    """Compute report/aggregation.tsv: validation chooses, the test subset is scored."""
    for model, cohort, table in run.evaluated():
        validation = run.validation(*model)
        test = test_rows(table).reset_index(drop=True)
        for name, (score, parameters) in AGGREGATIONS.items():
            if name == "pooled" and "patient_probability" not in table:
                continue
            parameter = parameters[0]
            if len(parameters) > 1 and len(validation):
                aucs = [_auc(run, score(validation, value)) for value in parameters]
                parameter = parameters[aucs.index(max(aucs))]
            fitted = youden_threshold(score(validation, parameter), run.drawing.positive)
            for source, threshold in (("fixed", 0.5), ("validation", fitted)):
                if threshold is not None:
                    scored = score(test, parameter)
                    values = all_values(scored, run.drawing, threshold)
                    if run.of_classes:
                        values |= overall(run, scored, probabilities_of(run, scored))
                    kept = {column: value for column, value in values.items() if not column.startswith(NOT_OF_SHARES)}
                    key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "aggregation": name}
                    chosen = {"threshold_from": source}
                    yield Expected(key | chosen, {"parameter": parameter, "threshold": threshold} | kept)
