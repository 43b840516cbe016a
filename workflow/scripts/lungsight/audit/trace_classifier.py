"""Tell classes apart by single values of patients, in cross-validation, with a permutation null.

A value counts by its bin: a word is its own bin, numbers fall into bins of about equal counts, and what is unknown is a
bin as well. The score of a class is the frequency of the bin among its training patients. So a trace may be higher in a
class, lower, or at both ends, there may be any number of classes, and thousands of permutations cost seconds.

Several values together are scored as if they were independent within a class (naive Bayes).

References
----------
Ojala & Garriga (2010), Permutation tests for studying classifier performance.
Hand & Till (2001), A simple generalisation of the area under the ROC curve: one class against the rest is the simpler
mean that is used here.
"""

from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import BoolArray, FloatArray, IntArray

FOLDS = 5
PERMUTATIONS = 999
MIN_PATIENTS = 3  # of each class; with fewer nothing is tested
MOST_BINS, ROWS_PER_BIN = 8, 8
PRIOR = 0.5  # patients of each class that every bin holds from the start
_AT_ONCE = 1 << 21  # scores, to bound memory


class Answer(NamedTuple):
    """How well values tell the classes.

    Attributes
    ----------
    auc : float
        Of one class against the rest, the mean over the classes.
    balanced_accuracy : float
        Mean recall of the classes; a tie counts for each of its classes in part.
    p : float
        Share of permutations with at least this AUC, the labels as they are among them. NaN without a permutation.
    chance : float
        Median AUC of the permutations. With few patients it lies below 0.5: folds are pooled, and a class that is
        frequent in a fold is rare among the others. NaN without a permutation.
    """

    auc: float
    balanced_accuracy: float
    p: float
    chance: float


def bins_of_words(values: "pd.Series[str]") -> IntArray:
    """Give each word (n,) a number from 0 on. The empty word is one of them."""
    return np.asarray(pd.factorize(values)[0], dtype=np.int64)


def bins_of_numbers(values: FloatArray) -> IntArray:
    """Find the bin of each value (n,): bins of about equal counts, and one for NaN.

    No label is used, so that bins are the same for every permutation.
    """
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(values), dtype=np.int64)
    # An even number has an edge at the median, where a trace parts two classes of one size.
    number = 2 * int(np.clip(known.sum() // (2 * ROWS_PER_BIN), 1, MOST_BINS // 2))
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, number + 1)[1:-1]))
    # An edge that is itself the most frequent value would leave one bin: values above an edge lie beyond it as well.
    both_sides = np.unique(np.concatenate([edges, np.nextafter(edges, np.inf)])) if len(edges) < number - 1 else edges
    placed = np.where(known, np.searchsorted(both_sides, values, side="right"), len(both_sides) + 1)
    return np.asarray(np.unique(placed, return_inverse=True)[1], dtype=np.int64)


def folds_of(patients: IntArray, seed: int) -> IntArray:
    """Assign rows (n,) to folds at random, all rows of a patient to one. Labels play no part."""
    count = int(patients.max()) + 1
    order = np.random.default_rng(seed).permutation(count)
    return np.asarray((order % min(FOLDS, count))[patients], dtype=np.int64)


def permuted_labels(labels: IntArray, patients: IntArray, permutations: int, seed: int) -> IntArray:
    """Permute the labels of rows, as far as they are exchangeable.

    Patients with one row exchange their labels. A patient with several rows, of different classes, keeps their labels
    and exchanges them among these rows.

    Parameters
    ----------
    labels, patients
        (n,), numbers from 0 on.

    Returns
    -------
    (n, 1 + permutations) int, of few bytes. The first column holds the labels as they are.
    """
    rng = np.random.default_rng(seed)
    labels = labels.astype(np.min_scalar_type(int(labels.max())))
    columns = np.repeat(labels[:, None], 1 + permutations, axis=1)
    rows_of_patient = np.bincount(patients)
    alone = np.flatnonzero(rows_of_patient[patients] == 1)
    blocks = [alone, *(np.flatnonzero(patients == patient) for patient in np.flatnonzero(rows_of_patient > 1))]
    for block in blocks:
        columns[block, 1:] = rng.permuted(columns[block, 1:], axis=0)
    return columns


def counts_of_groups(groups: IntArray, labels: IntArray, classes: int) -> FloatArray:
    """Count the rows of each class in each group.

    Parameters
    ----------
    groups
        (n,), numbers from 0 on without a gap.
    labels
        (n, m), m ways of labelling the rows.
    classes
        How many there are.

    Returns
    -------
    (groups, classes, m) float64.
    """
    ordered = labels[np.argsort(groups, kind="stable")]
    sizes = np.bincount(groups)
    starts = np.cumsum(sizes) - sizes
    of_classes = [np.add.reduceat(ordered == label, starts, axis=0, dtype=np.float64) for label in range(classes)]
    return np.stack(of_classes, axis=1)


def log_likelihoods(bins: IntArray, folds: IntArray, counts: FloatArray) -> FloatArray:
    """Compute the logarithm of the frequency of each group's bin among the rows of each class in the other folds.

    Parameters
    ----------
    bins, folds
        (g,), of each group: its rows have them in common.
    counts
        (g, classes, m), rows of each class, as from `counts_of_groups`.

    Returns
    -------
    (g, classes, m) float64.
    """
    n_bins, n_folds = int(bins.max()) + 1, int(folds.max()) + 1
    cells = folds * n_bins + bins
    member = np.zeros((n_folds * n_bins, len(bins)))
    member[cells, np.arange(len(bins))] = 1
    scores = np.empty_like(counts)
    for label in range(counts.shape[1]):
        of_cells = (member @ counts[:, label]).reshape(n_folds, n_bins, -1)
        others = of_cells.sum(axis=0) - of_cells + PRIOR
        frequency = np.log(others) - np.log(others.sum(axis=1, keepdims=True))
        scores[:, label] = frequency.reshape(n_folds * n_bins, -1)[cells]
    return scores


def one_vs_rest_auc(scores: FloatArray, counts: FloatArray) -> FloatArray:
    """Compute the mean over classes of the AUC of a class against the rest; a tie counts half.

    Parameters
    ----------
    scores
        (g, classes, m), logarithms of likelihoods.
    counts
        (g, classes, m), rows of each class in each group.

    Returns
    -------
    (m,) float64.
    """
    classes = scores.shape[1]
    posterior, sizes = _posterior(scores), counts.sum(axis=1)
    # Of two classes, one score is 1 minus the other: both areas are equal.
    tested = range(1 if classes == 2 else classes)
    areas: FloatArray = np.stack([auc_of_ranks(posterior[:, label], counts[:, label], sizes) for label in tested])
    return areas.mean(axis=0)


def _posterior(scores: FloatArray) -> FloatArray:
    """Turn logarithms of likelihoods into shares that sum to 1 over classes, rounded so that equals are ties."""
    likelihood = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = likelihood / likelihood.sum(axis=1, keepdims=True)
    return shares.round(12)


def auc_of_ranks(score: FloatArray, positives: FloatArray | BoolArray, sizes: FloatArray | int = 1) -> FloatArray:
    """Compute the AUC of every column from the sum of ranks; a tie counts half.

    Parameters
    ----------
    score
        (n, columns).
    positives
        (n, columns) or (n, 1): whether a row is positive, or how many positives it stands for.
    sizes
        (n, columns): how many rows of data each row stands for; 1 where it stands for itself.
    """
    sizes = np.broadcast_to(np.asarray(sizes, dtype=np.float64), score.shape)
    ranks = _ranks(score, sizes)
    count = positives.sum(axis=0)
    negatives = sizes.sum(axis=0) - count
    return ((ranks * positives).sum(axis=0) - count * (count + 1) / 2) / (count * negatives)


def _ranks(score: FloatArray, sizes: FloatArray) -> FloatArray:
    """Rank the values of every column from 1 on, where a value is there so many times; ties get their mean rank."""
    by_column = np.ascontiguousarray(score.T)  # NumPy sorts along the last axis several times as fast
    order = np.argsort(by_column, axis=1)
    values = np.take_along_axis(by_column, order, axis=1)
    repeats = np.take_along_axis(sizes.T, order, axis=1)
    up_to = np.cumsum(repeats, axis=1)
    is_first = np.ones(values.shape, dtype=bool)
    is_first[:, 1:] = values[:, 1:] != values[:, :-1]
    is_last = np.ones(values.shape, dtype=bool)
    is_last[:, :-1] = is_first[:, 1:]
    before_tie = np.maximum.accumulate(np.where(is_first, up_to - repeats, 0), axis=1)
    through_tie = np.minimum.accumulate(np.where(is_last, up_to, np.inf)[:, ::-1], axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (before_tie + through_tie + 1) / 2, axis=1)
    return ranks.T


def balanced_accuracy(scores: FloatArray, labels: IntArray) -> float:
    """Compute the mean recall of predicting the class with the highest score.

    Parameters
    ----------
    scores
        (n, classes).
    labels
        (n,).
    """
    posterior = _posterior(scores)
    best = posterior == posterior.max(axis=1, keepdims=True)
    right = best[np.arange(len(labels)), labels] / best.sum(axis=1)
    return float(np.mean([right[labels == label].mean() for label in range(scores.shape[1])]))


def testable(labels: IntArray, patients: IntArray) -> bool:
    """Tell whether there are two classes, with enough patients of each."""
    classes = np.unique(labels)
    return len(classes) > 1 and all(len(np.unique(patients[labels == label])) >= MIN_PATIENTS for label in classes)


def answer_of(
    bins: Sequence[IntArray], labels: IntArray, patients: IntArray, seed: int, permutations: int = PERMUTATIONS
) -> Answer:
    """Measure how well values, one or several together, tell the classes.

    Parameters
    ----------
    bins
        Of each value, (n,).
    labels, patients
        (n,), numbers from 0 on, every class with MIN_PATIENTS.
    seed
        Of folds and permutations.
    permutations
        0: no p-value.
    """
    classes = int(labels.max()) + 1
    # Rows of one fold and the same bins have the same score: what is computed for them is computed once.
    groups, place = np.unique(np.column_stack([folds_of(patients, seed), *bins]), axis=0, return_inverse=True)
    columns = permuted_labels(labels, patients, permutations, seed + 1)
    at_once = max(1, _AT_ONCE // (len(labels) * classes))
    areas: list[FloatArray] = []
    accuracy = np.nan
    for start in range(0, columns.shape[1], at_once):
        counts = counts_of_groups(place.ravel(), columns[:, start : start + at_once], classes)
        scores = reduce(np.add, (log_likelihoods(values, groups[:, 0], counts) for values in groups.T[1:]))
        areas.append(one_vs_rest_auc(scores, counts))
        if start == 0:
            accuracy = balanced_accuracy(scores[place.ravel(), :, 0], labels)
    auc = np.concatenate(areas)
    if not permutations:
        return Answer(float(auc[0]), accuracy, np.nan, np.nan)
    return Answer(float(auc[0]), accuracy, float((auc >= auc[0] - 1e-9).mean()), float(np.median(auc[1:])))
