"""Compute the tables of classes again: each class against the rest, all together, and which is taken for which.

They are report/metrics.tsv, report/reliability.tsv, report/classes.tsv, report/confusion.tsv and, of more than two
classes, report/renormalised.tsv and report/class_curves.tsv.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    roc_auc_score,
    roc_curve,
)

from lungsight.verify.calibration import NEAR, calibrated, temperature_of
from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import numbers
from lungsight.verify.run import Run, probabilities_of, test_rows, units_of
from lungsight.verify.statistics import (
    NAN,
    Floats,
    Scores,
    all_values,
    calibration_bin,
    calibration_error,
    lone,
    quotient,
    resampled_auc,
    with_ends,
)

OF_CLASS = ("sensitivity", "specificity", "precision", "f1", "roc_auc", "brier", "ece")
OVERALL = ("macro_f1", "macro_auc", "hand_till", "balanced_accuracy", "kappa")
CURVE = ["pipeline", "stage", "cohort", "class", "curve"]


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


def classified(run: Run, shown: str = "raw") -> Iterator[Classified]:
    """Yield the test rows of each model for each cohort.

    Parameters
    ----------
    run
        The run.
    shown
        "raw", or "renormalised": cohorts that lack a class of more than two, among the classes that they have.
    """
    for model, cohort, table in run.evaluated():
        present = [name for name in run.classes if (table["label"] == name).any()]
        if shown != "raw":
            if not run.of_classes or len(present) == len(run.classes):
                continue
            among = renormalised(run, probabilities_of(run, table), present)
            table = table.assign(probability=among[:, 0], **dict(zip(run.of_classes, among.T, strict=True)))
        for unit, rows in units_of(test_rows(table)).items():
            key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "unit": unit}
            yield Classified(key, rows, probabilities_of(run, rows))


def called(run: Run, probabilities: Floats) -> npt.NDArray[np.int64]:
    """Predict the place of each row's class: the most probable, or the one of the least expected cost."""
    evaluation = run.config.get("evaluation")
    costs = evaluation.get("costs") if isinstance(evaluation, dict) else None
    if costs is None:
        return np.argmax(probabilities, axis=1)
    return np.argmin(probabilities @ np.asarray(costs, float), axis=1)


def overall(run: Run, rows: pd.DataFrame, probabilities: Floats) -> dict[str, float]:
    """Compute the metrics of all classes that the rows have, with the ends of their intervals."""
    if not len(rows):
        return {f"{name}{end}": NAN for name in OVERALL for end in ("", "_lo", "_hi")}
    drawn = resampled_overall(run, rows, probabilities)
    found: dict[str, float] = {}
    for name, value in _overall_once(run, rows, probabilities).items():
        found |= with_ends(name, value, drawn.get(name, np.array([])))
    return found


def _overall_once(run: Run, rows: pd.DataFrame, probabilities: Floats) -> dict[str, float]:
    truth = _places(run, rows)
    predicted, places = called(run, probabilities), np.unique(truth)
    areas = [area(truth == place, probabilities[:, place]) for place in places]
    pairs: list[float] = []
    for one, other in combinations(places, 2):
        members = np.isin(truth, (one, other))
        pairs += [area(truth[members] == of, probabilities[members, of]) for of in (one, other)]
    return {
        "macro_f1": float(f1_score(truth, predicted, labels=places, average="macro")),
        "macro_auc": float(np.mean(areas)),
        "hand_till": float(np.mean(pairs)) if pairs else NAN,
        "balanced_accuracy": float(balanced_accuracy_score(truth, predicted)),
        "kappa": float(cohen_kappa_score(truth, predicted)),
    }


def resampled_overall(run: Run, rows: pd.DataFrame, probabilities: Floats) -> dict[str, Floats]:
    """Compute the metrics of all classes under each draw of patients; none where a class has one patient."""
    scores = Scores(rows, run.drawing.positive)
    draws = run.drawing.of(scores)
    if lone(scores) or not len(draws):
        return {}
    truth, predicted, k = _places(run, rows), called(run, probabilities), len(run.classes)
    places = np.unique(truth)
    counts = np.zeros((scores.patients, k, k))
    np.add.at(counts, (scores.patient, truth, predicted), 1)
    drawn = np.einsum("bp,pij->bij", draws, counts)
    true, taken, right = drawn.sum(axis=2), drawn.sum(axis=1), np.einsum("bii->bi", drawn)
    total = drawn.sum(axis=(1, 2))
    agreed, by_chance = quotient(right.sum(axis=1), total), quotient((true * taken).sum(axis=1), total**2)

    def areas(members: npt.NDArray[np.bool_], place: int) -> Floats:
        kept = np.flatnonzero(members)
        return resampled_auc(scores.part(kept, run.classes[place], probabilities[kept, place]), draws)

    everybody = np.ones(len(truth), bool)
    pairs = [areas(np.isin(truth, pair), int(place)) for pair in combinations(places.tolist(), 2) for place in pair]
    return {
        "macro_f1": quotient(2 * right, true + taken)[:, places].mean(axis=1),
        "macro_auc": np.mean([areas(everybody, int(place)) for place in places], axis=0),
        "hand_till": np.mean(pairs, axis=0) if pairs else np.full(len(draws), NAN),
        "balanced_accuracy": quotient(right, true)[:, places].mean(axis=1),
        "kappa": quotient(agreed - by_chance, 1 - by_chance),
    }


def _places(run: Run, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    return np.array([run.classes.index(label) for label in rows["label"]], dtype=int)


def area(truth: npt.NDArray[np.bool_], scores: Floats) -> float:
    """Compute a ROC AUC; NaN where the rows are of one kind."""
    return NAN if truth.all() or not truth.any() else float(roc_auc_score(truth, scores))


def renormalised(run: Run, probabilities: Floats, present: list[str]) -> Floats:
    """Divide the probabilities of the classes that a cohort has by their sum; where it is 0, they become equal."""
    has = np.array([name in present for name in run.classes])
    kept = probabilities * has
    total = kept.sum(axis=1, keepdims=True)
    return np.where(total > 0, kept / np.where(total > 0, total, 1), has / has.sum())


def with_probabilities_shown(run: Run) -> Iterator[Classified]:
    """Yield the rows with their raw probabilities and the renormalised ones, and the word for these in the key."""
    for shown in ("raw", "renormalised"):
        yield from (found._replace(key=found.key | {"probabilities": shown}) for found in classified(run, shown))


def class_rows(run: Run) -> Iterator[Expected]:
    """Compute report/classes.tsv: each class against the rest, as predicted and after calibration."""
    temperatures = _Temperatures(run)
    for found in with_probabilities_shown(run):
        predicted = called(run, found.probabilities)
        temperature = temperatures.of(found.key)
        is_fitted = len(found.rows) and not np.isnan(temperature)
        after = None if not is_fitted else calibrated(found.probabilities, temperature)
        for place, label in enumerate(run.classes):
            rows = found.rows.assign(probability=found.probabilities[:, place])
            drawing = run.drawing._replace(positive=label)
            values = all_values(rows, drawing, called=predicted == place)
            shown: dict[str, Value] = {"n": int((rows["label"] == label).sum()), "temperature": temperature}
            for name in OF_CLASS:
                metric = "recall" if name == "sensitivity" else name
                shown |= {f"{name}{end}": values[f"{metric}{end}"] for end in ("", "_lo", "_hi")}
            truth = (rows["label"] == label).to_numpy()
            shown["ece_calibrated"] = NAN if after is None else calibration_error(truth, after[:, place])
            yield Expected(found.key | {"class": label}, shown)


class _Temperatures:
    """The temperature of each model, by slice and by patient, fitted on the validation rows of its own cohort.

    Two searches agree to some digits alone. As the packaged number, where that is near, it gives the same errors.
    """

    def __init__(self, run: Run):
        self.run, self.found = run, dict[tuple[Value, ...], float]()
        table = run.crate.table("report/classes.tsv", ["pipeline", "stage", "unit", "temperature"])
        stated = numbers(table["temperature"], "report/classes.tsv", "temperature")
        keys = zip(table["pipeline"], table["stage"], table["unit"], strict=True)
        self.stated: Mapping[tuple[Value, ...], float] = dict(zip(reversed([*keys]), reversed([*stated]), strict=True))

    def of(self, key: Mapping[str, Value]) -> float:
        """Find the temperature for the rows of a key; NaN where there is none."""
        place = key["pipeline"], key["stage"], key["unit"]
        if place not in self.found:
            fitted, stated = self._fit(*map(str, place)), self.stated.get(place, NAN)
            self.found[place] = stated if abs(stated - fitted) <= NEAR * max(1, fitted) else fitted
        return self.found[place]

    def _fit(self, pipeline: str, stage: str, unit: str) -> float:
        table = self.run.validation(pipeline, stage)
        rows = units_of(table)[unit]
        found = temperature_of(list(rows["label"]), probabilities_of(self.run, rows), self.run.classes)
        return NAN if found is None else found


def confusion_rows(run: Run) -> Iterator[Expected]:
    """Compute report/confusion.tsv."""
    places = range(len(run.classes))
    for found in with_probabilities_shown(run):
        counts = confusion_matrix(_places(run, found.rows), called(run, found.probabilities), labels=list(places))
        for i in places:
            for j in places:
                key = found.key | {"true": run.classes[i], "predicted": run.classes[j]}
                yield Expected(key, {"n": int(counts[i, j])})


def renormalised_rows(run: Run) -> Iterator[Expected]:
    """Compute report/renormalised.tsv: the metrics of cohorts that lack a class, among the classes that they have."""
    yield from metrics_rows(run, "renormalised")


def metrics_rows(run: Run, shown: str = "raw") -> Iterator[Expected]:
    """Compute report/metrics.tsv: the first class against the rest, and of more than two classes those of all."""
    for found in classified(run, shown):
        values = all_values(found.rows, run.drawing)
        if run.of_classes:
            values |= overall(run, found.rows, found.probabilities)
        yield Expected(found.key, {"threshold": 0.5} | values)


def reliability_rows(run: Run) -> Iterator[Expected]:
    """Compute report/reliability.tsv."""
    for model, cohort, table in run.evaluated():
        test = test_rows(table)
        bins = calibration_bin(test["probability"].to_numpy(float))
        for number in np.unique(bins):
            members = test[bins == number]
            key = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "low": round(number / 10, 1)}
            share = float((members["label"] == run.drawing.positive).mean())
            values = {
                "high": (number + 1) / 10,
                "n": len(members),
                "mean_probability": float(members["probability"].mean()),
            }
            yield Expected(key, values | {"share_positive": share})


def with_points(table: pd.DataFrame) -> pd.DataFrame:
    """Add the number of each point in its curve to report/class_curves.tsv."""
    return table.assign(point=table.groupby(CURVE, sort=False).cumcount().astype(str))


def curve_rows(run: Run) -> Iterator[Expected]:
    """Compute report/class_curves.tsv: of each model on its own cohort, ROC by patient and reliability by slice."""
    for model, cohort, table in run.evaluated():
        if cohort != run.trained_on(model.stage):
            continue
        units = units_of(test_rows(table))
        of_slices, of_patients = (probabilities_of(run, units[unit]) for unit in ("slice", "patient"))
        for place, label in enumerate(run.classes):
            truth = (units["patient"]["label"] == label).to_numpy()
            if truth.all() or not truth.any():
                continue
            key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort, "class": label}
            for number, (x, y) in enumerate(corners(truth, of_patients[:, place])):
                yield Expected(key | {"curve": "roc", "point": number}, {"x": x, "y": y, "n": int(truth.sum())})
            of_class = (units["slice"]["label"] == label).to_numpy()
            bins = calibration_bin(of_slices[:, place])
            for number, held in enumerate(np.unique(bins)):
                members = bins == held
                point = {"x": float(of_slices[members, place].mean()), "y": float(of_class[members].mean())}
                yield Expected(key | {"curve": "reliability", "point": number}, point | {"n": int(members.sum())})


def corners(truth: npt.NDArray[np.bool_], scores: Floats) -> list[tuple[float, float]]:
    """Compute the corners of a ROC curve; what lies on a straight line between two others is none."""
    false_positive, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    points = np.rint(np.stack([false_positive * np.sum(~truth), recall * np.sum(truth)], axis=1)).astype(int)
    kept = [points[0]]
    for place in range(1, len(points) - 1):
        before, after = points[place] - points[place - 1], points[place + 1] - points[place]
        if before[0] * after[1] != before[1] * after[0]:
            kept.append(points[place])
    return [(float(x / np.sum(~truth)), float(y / np.sum(truth))) for x, y in [*kept, points[-1]]]
