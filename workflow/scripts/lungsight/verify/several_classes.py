"""Compute the tables of a run of more than two classes again, by scikit-learn: the values, without their intervals."""

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, confusion_matrix, f1_score, roc_auc_score

from lungsight.verify.compare import Expected, Value
from lungsight.verify.recompute import OF_CLASS, Run, test_rows
from lungsight.verify.statistics import NAN, Floats, Scores, point_values


class Classified(NamedTuple):
    """The test rows of a model for a cohort, by slice or by patient.

    Attributes
    ----------
    key
        The columns that find their rows in a table.
    rows
        patient, label and probability, that of the first class.
    probabilities
        (n, k), in the order of `labels`.
    """

    key: dict[str, Value]
    rows: pd.DataFrame
    probabilities: Floats

    def with_probabilities(self, probabilities: Floats, shown: str) -> "Classified":
        """Return the same rows with other probabilities, and a word for them in the key."""
        rows = self.rows.assign(probability=probabilities[:, 0])
        return Classified(self.key | {"probabilities": shown}, rows, probabilities)


def classified(run: Run) -> Iterator[tuple[Classified, list[str]]]:
    """Yield the test rows of each model for each cohort, with the classes that the whole cohort has."""
    for model, cohort, table in run.evaluated():
        present = [name for name in run.classes if (table["label"] == name).any()]
        test, k = test_rows(table), len(run.classes)
        of_slices = [f"p_{place}" for place in range(1, k + 1)]
        own = [f"patient_{name}" for name in of_slices]
        of_patients = own if own[0] in test else of_slices
        means = test.groupby(["patient", "label"], sort=False)[of_patients].mean().reset_index()
        for unit, rows, columns in (("slice", test, of_slices), ("patient", means, of_patients)):
            key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "unit": unit}
            probabilities = rows[columns].to_numpy(float)
            yield Classified(key, rows.assign(probability=probabilities[:, 0]), probabilities), present


def called(run: Run, probabilities: Floats) -> npt.NDArray[np.int64]:
    """Predict the place of each row's class: the most probable, or the one of the least expected cost."""
    evaluation = run.config.get("evaluation")
    costs = evaluation.get("costs") if isinstance(evaluation, dict) else None
    if costs is None:
        return np.argmax(probabilities, axis=1)
    return np.argmin(probabilities @ np.asarray(costs, float), axis=1)


def metrics_of_several(run: Run) -> Iterator[Expected]:
    """Compute report/metrics.tsv: the first class against the rest, and the metrics of all classes."""
    for found, _ in classified(run):
        first = point_values(Scores(found.rows, run.drawing.positive), 0.5)
        yield Expected(found.key, {"threshold": 0.5} | first | overall(run, found))


def overall(run: Run, found: Classified) -> dict[str, float]:
    """Compute the metrics of all classes that the rows have."""
    truth = np.array([run.classes.index(label) for label in found.rows["label"]])
    predicted, places = called(run, found.probabilities), np.unique(truth)
    areas = [area(truth == place, found.probabilities[:, place]) for place in places]
    pairs: list[float] = []
    for one, other in combinations(places, 2):
        rows = np.isin(truth, (one, other))
        pairs += [area(truth[rows] == of, found.probabilities[rows, of]) for of in (one, other)]
    return {
        "macro_f1": float(f1_score(truth, predicted, labels=places, average="macro")),
        "macro_auc": float(np.mean(areas)) if areas else NAN,
        "hand_till": float(np.mean(pairs)) if pairs else NAN,
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "kappa": float(cohen_kappa_score(truth, predicted)),
    }


def area(truth: npt.NDArray[np.bool_], scores: Floats) -> float:
    """Compute a ROC AUC; NaN where the rows are of one kind."""
    return NAN if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))


def shown_probabilities(run: Run) -> Iterator[Classified]:
    """Yield the rows with their raw probabilities, and renormalised where the cohort lacks a class."""
    for found, present in classified(run):
        yield found.with_probabilities(found.probabilities, "raw")
        if len(present) < len(run.classes):
            kept = found.probabilities * [name in present for name in run.classes]
            total = kept.sum(axis=1, keepdims=True)
            even = np.array([name in present for name in run.classes]) / len(present)
            renormalised = np.where(total > 0, kept / np.where(total > 0, total, 1), even)
            yield found.with_probabilities(renormalised, "renormalised")


def classes_of_several(run: Run) -> Iterator[Expected]:
    """Compute the values of report/classes.tsv: each class against the rest."""
    for found in shown_probabilities(run):
        predicted = called(run, found.probabilities)
        for place, label in enumerate(run.classes):
            scores = Scores(found.rows.assign(probability=found.probabilities[:, place]), label)
            values = point_values(scores, 0.5, predicted == place)
            shown = {name: values["recall" if name == "sensitivity" else name] for name in OF_CLASS}
            yield Expected(found.key | {"class": label}, {"n": int(scores.truth.sum())} | shown)


def confusion_of_several(run: Run) -> Iterator[Expected]:
    """Compute report/confusion.tsv."""
    places = range(len(run.classes))
    for found in shown_probabilities(run):
        truth = [run.classes.index(label) for label in found.rows["label"]]
        counts = confusion_matrix(truth, called(run, found.probabilities), labels=list(places))
        for i in places:
            for j in places:
                key = found.key | {"true": run.classes[i], "predicted": run.classes[j]}
                yield Expected(key, {"n": int(counts[i, j])})
