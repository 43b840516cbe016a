"""Metrics by scikit-learn, and their intervals from sums over patients: a second implementation of the evaluation.

A resample counts how often each patient is drawn. Every metric is a function of sums over patients, so it follows from
the draws and one small table of each patient's sums. The AUC is one too: the number of pairs of a positive slice of one
patient and a negative slice of another in which the positive one scores higher.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

Floats = npt.NDArray[np.float64]
NAN = float("nan")
UNDEFINED: Any = np.nan  # where a denominator is 0; scikit-learn's types know its words alone
COUNTS = ("n", "tp", "fp", "fn", "tn")
METRICS = ("accuracy", "precision", "recall", "specificity", "f1", "roc_auc", "pr_auc", "brier", "ece")
BINS = 10
AT_ONCE = 1 << 22  # numbers in memory


class Patients:
    """The patient of each row, numbered in order of first appearance."""

    def __init__(self, names: Iterable[str]):
        order: dict[str, int] = {}
        self.number = np.array([order.setdefault(name, len(order)) for name in names], dtype=int)
        self.count = len(order)

    def sums(self, values: npt.ArrayLike) -> Floats:
        """Sum values of rows over each patient."""
        sums: Floats = np.bincount(self.number, np.asarray(values, float), self.count).astype(float)
        return sums


class Scores:
    """Rows to classify: truth, probability, and the patient of each."""

    def __init__(self, table: pd.DataFrame, positive: str):
        self.truth = (table["label"] == positive).to_numpy()
        self.probability = table["probability"].to_numpy(float)
        self.label = table["label"].to_numpy()
        people = Patients(table["patient"])
        self.patient, self.patients = people.number, people.count

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.truth)

    def part(self, rows: npt.NDArray[Any], positive: str, probability: Floats) -> "Scores":
        """Keep some rows with another class and score; patients keep their numbers, those without a row too."""
        part = copy(self)
        part.truth, part.probability = self.label[rows] == positive, probability
        part.label, part.patient = self.label[rows], self.patient[rows]
        return part

    def by_patient(self, values: npt.ArrayLike) -> Floats:
        """Sum values of rows over each patient."""
        sums: Floats = np.bincount(self.patient, np.asarray(values, float), self.patients).astype(float)
        return sums


def calibration_bin(probability: Floats) -> npt.NDArray[np.int64]:
    """Return the number of the bin of width 0.1 that each probability lies in; 1 lies in the last."""
    return np.clip(np.floor(probability * BINS).astype(int), 0, BINS - 1)


def calibration_error(truth: npt.NDArray[np.bool_], probability: Floats) -> float:
    """Compute the expected calibration error."""
    bins = pd.DataFrame({"bin": calibration_bin(probability), "truth": truth, "probability": probability})
    gaps = bins.groupby("bin").apply(lambda rows: len(rows) * abs(rows["probability"].mean() - rows["truth"].mean()))
    return float(gaps.sum() / len(bins))


def point_values(scores: Scores, threshold: float, called: npt.NDArray[np.bool_] | None = None) -> dict[str, float]:
    """Compute counts and metrics by scikit-learn; NaN where a denominator is 0.

    Parameters
    ----------
    scores
        The rows.
    threshold
        From it on a row is predicted to be positive.
    called
        The predictions themselves, instead of those by the threshold.
    """
    truth, probability = scores.truth, scores.probability
    if not len(scores):
        return {name: 0.0 for name in COUNTS} | {name: NAN for name in METRICS}
    predicted = probability >= threshold if called is None else called
    tn, fp, fn, tp = map(int, confusion_matrix(truth, predicted, labels=[False, True]).ravel())
    both = 0 < truth.sum() < len(truth)
    return {
        **{"n": len(truth), "tp": tp, "fp": fp, "fn": fn, "tn": tn},
        "accuracy": accuracy_score(truth, predicted),
        "precision": precision_score(truth, predicted, zero_division=UNDEFINED),
        "recall": recall_score(truth, predicted, zero_division=UNDEFINED),
        "specificity": recall_score(~truth, ~predicted, zero_division=UNDEFINED),
        "f1": f1_score(truth, predicted, zero_division=UNDEFINED),
        "roc_auc": roc_auc_score(truth, probability) if both else NAN,
        "pr_auc": average_precision_score(truth, probability) if truth.any() else NAN,
        # A share of slices above a cut is a score in [0, 1] as well.
        "brier": brier_score_loss(truth, probability, pos_label=True, labels=[False, True]),
        "ece": calibration_error(truth, probability),
    }


def drawn(patients: int, resamples: int, seed: int | Sequence[int]) -> Floats:
    """Repeat the run's draws: how often each patient was drawn in each resample, (resamples, patients)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(patients, np.full(patients, 1 / patients), size=resamples).astype(float)


def drawn_within(classes: npt.NDArray[Any], resamples: int, seed: int) -> Floats:
    """Repeat the draws of a run of more than two classes: patients are drawn within the class of each.

    Parameters
    ----------
    classes
        (patients,), numbered in the order in which they first appear in the table.
    resamples, seed
        As for `drawn`.
    """
    draws = np.zeros((resamples, len(classes)))
    for number in np.unique(classes):
        members = np.flatnonzero(classes == number)
        draws[:, members] = drawn(len(members), resamples, [seed, int(number)])
    return draws


def quotient(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where the denominator is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below != 0, above / below, np.nan)


def pairs_won(first: Scores) -> Floats:
    """Count, for two patients, the pairs of a positive row of one and a negative row of the other that are in order.

    Returns (patients, patients); a tie counts half.
    """
    won = np.zeros((first.patients, first.patients))
    negatives = [np.sort(first.probability[(first.patient == j) & ~first.truth]) for j in range(first.patients)]
    positive, owner = first.probability[first.truth], first.patient[first.truth]
    for other, scores in enumerate(negatives):
        if len(scores):
            lower = np.searchsorted(scores, positive, "left")
            equal = np.searchsorted(scores, positive, "right") - lower
            won[:, other] = np.bincount(owner, weights=lower + equal / 2, minlength=first.patients)
    return won


def resampled_auc(scores: Scores, draws: Floats) -> Floats:
    """Compute the ROC AUC of each resample."""
    pairs = ((draws @ pairs_won(scores)) * draws).sum(axis=1)
    return quotient(pairs, (draws @ scores.by_patient(scores.truth)) * (draws @ scores.by_patient(~scores.truth)))


def resampled_precision(scores: Scores, draws: Floats) -> Floats:
    """Compute the average precision of each resample."""
    levels, level_of = np.unique(-scores.probability, return_inverse=True)
    shape = (len(levels), scores.patients)
    at_level, positive_at_level = np.zeros(shape), np.zeros(shape)
    np.add.at(at_level, (level_of, scores.patient), 1)
    np.add.at(positive_at_level, (level_of, scores.patient), scores.truth)
    parts = [
        draws[start : start + max(1, AT_ONCE // len(levels))]
        for start in range(0, len(draws), max(1, AT_ONCE // len(levels)))
    ]
    values = []
    for part in parts:
        positives = positive_at_level @ part.T
        precision = quotient(positives.cumsum(axis=0), (at_level @ part.T).cumsum(axis=0))
        values.append(quotient(np.nansum(positives * precision, axis=0), positives.sum(axis=0)))
    return np.concatenate(values)


def resampled(
    scores: Scores,
    draws: Floats,
    threshold: float,
    metrics: Sequence[str] = METRICS,
    called: npt.NDArray[np.bool_] | None = None,
) -> dict[str, Floats]:
    """Compute metrics of each resample: metric → (resamples,). called: as for `point_values`."""
    truth, probability = scores.truth, scores.probability
    predicted = probability >= threshold if called is None else called

    def total(values: npt.ArrayLike) -> Floats:
        return draws @ scores.by_patient(values)

    cells = truth & predicted, ~truth & predicted, truth & ~predicted, ~truth & ~predicted
    tp, fp, fn, tn = map(total, cells)
    rows, bins = total(np.ones(len(scores))), calibration_bin(probability)
    ways: dict[str, Callable[[], Floats]] = {
        "accuracy": lambda: quotient(tp + tn, rows),
        "precision": lambda: quotient(tp, tp + fp),
        "recall": lambda: quotient(tp, tp + fn),
        "specificity": lambda: quotient(tn, tn + fp),
        "f1": lambda: quotient(2 * tp, 2 * tp + fp + fn),
        "roc_auc": lambda: resampled_auc(scores, draws),
        "pr_auc": lambda: resampled_precision(scores, draws),
        "brier": lambda: quotient(total((probability - truth) ** 2), rows),
        "ece": lambda: quotient(
            np.sum([np.abs(total((bins == number) * (probability - truth))) for number in np.unique(bins)], axis=0),
            rows,
        ),
    }
    return {metric: ways[metric]() for metric in metrics}


def interval(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of the defined values, by default of 95 %; NaN where there is none."""
    defined = values[~np.isnan(values)]
    if not len(defined):
        return NAN, NAN
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def with_ends(name: str, value: float, values: Floats, level: float = 0.95) -> dict[str, float]:
    """Give a value and the ends of its interval their columns."""
    low, high = interval(values, level)
    return {name: value, f"{name}_lo": low, f"{name}_hi": high}


class Drawing(NamedTuple):
    """What a run states of its statistics: the positive class, the number of resamples, their seed; many classes.

    In a run of more than two classes patients are drawn within each class.
    """

    positive: str
    resamples: int
    seed: int
    many: bool = False

    def of(self, scores: Scores) -> Floats:
        """Draw the patients of some rows, (resamples, patients); none without two patients."""
        if scores.patients < 2:
            return np.zeros((0, scores.patients))
        if not self.many:
            return drawn(scores.patients, self.resamples, self.seed)
        _, first = np.unique(scores.patient, return_index=True)
        return drawn_within(pd.factorize(scores.label)[0][first], self.resamples, self.seed)

    def of_rows(self, patients: Patients) -> Floats:
        """Draw patients all together, whatever the number of classes; none without two patients."""
        return drawn(patients.count, self.resamples, self.seed) if patients.count > 1 else np.zeros((0, patients.count))


def lone(scores: Scores) -> set[str]:
    """Name the classes with rows of one patient alone."""
    return {str(name) for name in set(scores.label) if len(set(scores.patient[scores.label == name])) == 1}


def without_interval(scores: Scores, drawing: Drawing) -> set[str]:
    """Name the metrics that divide by the rows of a class with one patient: they have no interval.

    Where patients are drawn within classes, that is every metric that divides by all rows.
    """
    alone = lone(scores)
    named = {"recall": drawing.positive in alone, "specificity": bool(alone - {drawing.positive})}
    named |= dict.fromkeys(("roc_auc", "pr_auc"), bool(alone))
    named |= dict.fromkeys(set(METRICS) - set(named), bool(alone) and drawing.many)
    return {metric for metric, is_without in named.items() if is_without}


def all_values(
    table: pd.DataFrame,
    drawing: Drawing,
    threshold: float = 0.5,
    metrics: Sequence[str] = METRICS,
    called: npt.NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Compute counts and metrics, and the ends of their intervals as `<metric>_lo` and `<metric>_hi`.

    Parameters
    ----------
    table
        Rows with patient, label and probability.
    drawing
        The positive class, and the draws.
    threshold, called
        As for `point_values`.
    metrics
        Those to compute.
    """
    scores = Scores(table, drawing.positive)
    point = point_values(scores, threshold, called)
    values = {name: value for name, value in point.items() if name not in METRICS or name in metrics}
    values |= {f"{metric}{end}": NAN for metric in metrics for end in ("_lo", "_hi")}
    draws = drawing.of(scores)
    if len(draws):
        drawn_metrics = [metric for metric in metrics if metric not in without_interval(scores, drawing)]
        for metric, of_draws in resampled(scores, draws, threshold, drawn_metrics, called).items():
            values[f"{metric}_lo"], values[f"{metric}_hi"] = interval(of_draws)
    return values


def two_sided_p(differences: Floats) -> float:
    """Compute the bootstrap p-value of resampled differences; NaN where none is defined."""
    defined = differences[~np.isnan(differences)]
    if not len(defined):
        return NAN
    smaller = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(defined) + 1))


def holm(p: list[float]) -> list[float]:
    """Correct p-values by Holm's method; NaN stays and does not count."""
    known = sorted((value, place) for place, value in enumerate(p) if not np.isnan(value))
    corrected, highest = list(p), 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, (len(known) - rank) * value)
        corrected[place] = min(1.0, highest)
    return corrected


def mean_of_rows(name: str, values: Floats, patients: Patients, drawing: Drawing) -> dict[str, float]:
    """Average the values that are there over rows, with the interval over patients: three columns.

    The interval needs two patients with a value.
    """
    present = ~np.isnan(values)
    sums, counts = patients.sums(np.where(present, values, 0)), patients.sums(present)
    draws = drawing.of_rows(patients) if np.count_nonzero(counts) > 1 else np.zeros((0, patients.count))
    value = float(values[present].mean()) if present.any() else NAN
    return with_ends(name, value, quotient(draws @ sums, draws @ counts))
