"""Scores of pairs of classes: how well a model ranks the rows of two classes, and the mean over all pairs.

With more than two classes, the audit's AUC is the mean over pairs of classes of the AUC within each pair, as in Hand
and Till's M. The score of a row is p_a / (p_a + p_b), which depends on the difference of two logits alone. With two
classes there is one pair, and the score is the probability of the first class.

References
----------
Hand, D. J. and Till, R. J. (2001). A simple generalisation of the area under the ROC curve for multiple class
classification problems. Machine Learning 45, 171-186.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.evaluation.metrics import roc_auc

# A statistic of n weighted rows: weights (b, n) → (b,), NaN where a weighting leaves it undefined.
Statistic = Callable[[np.ndarray], np.ndarray]


def auc_statistic(truth: np.ndarray, score: np.ndarray) -> Statistic:
    """Make the ROC AUC of a score (n,) against truth (n,) bool a statistic of weighted rows."""
    return lambda weights: roc_auc(truth, score, weights)


@dataclass(frozen=True)
class PairScores:
    """The scores of n slices or patients in each of m pairs of classes.

    Attributes
    ----------
    table
        n rows: patient, label.
    values
        (n, m): the higher, the more a row is taken for the first class of a pair. NaN where its class is not in the
        pair.
    firsts
        The first class of each pair.
    many
        Whether the run has more than two classes: then patients are drawn within each class.
    """

    table: pd.DataFrame
    values: np.ndarray
    firsts: Sequence[str]
    many: bool = True

    def rows_of(self, pair: int) -> np.ndarray:
        """List the rows of the classes of a pair, by its place."""
        return np.flatnonzero(~np.isnan(self.values[:, pair]))

    def truth_of(self, pair: int) -> np.ndarray:
        """Tell which of the rows of a pair are of its first class."""
        return (self.table["label"] == self.firsts[pair]).to_numpy()[self.rows_of(pair)]

    @property
    def measured(self) -> list[int]:
        """Places of the pairs of which both classes have rows."""
        truths = [self.truth_of(pair) for pair in range(len(self.firsts))]
        return [pair for pair, truth in enumerate(truths) if truth.any() and not truth.all()]

    def statistic(self, pairs: Sequence[int] | None = None) -> Statistic:
        """Make the mean AUC of some pairs a statistic of weighted rows; None: of all that are measured."""
        chosen = self.measured if pairs is None else pairs
        rows = [self.rows_of(pair) for pair in chosen]
        areas = [
            auc_statistic(self.truth_of(pair), self.values[of_pair, pair])
            for pair, of_pair in zip(chosen, rows, strict=True)
        ]

        def mean_area(weights: np.ndarray) -> np.ndarray:
            return np.mean([area(weights[:, each]) for area, each in zip(areas, rows, strict=True)], axis=0)

        return mean_area

    def only(self, pair: int) -> "PairScores":
        """Keep one pair, and the rows of its classes."""
        rows = self.rows_of(pair)
        table = self.table.iloc[rows].reset_index(drop=True)
        return PairScores(table, self.values[rows][:, [pair]], [self.firsts[pair]], self.many)

    def by_patient(self) -> "PairScores":
        """Average the scores over the slices of each patient and label, in table order."""
        columns = list(range(len(self.firsts)))
        scores = pd.DataFrame(self.values, columns=columns).assign(
            patient=self.table["patient"].to_numpy(), label=self.table["label"].to_numpy()
        )
        means = scores.groupby(["patient", "label"], sort=False)[columns].mean().reset_index()
        return PairScores(means[["patient", "label"]], means[columns].to_numpy(np.float64), self.firsts, self.many)


def by_unit(scores: PairScores) -> dict[str, PairScores]:
    """Give the scores by patient (the mean over slices) and by slice. scores: a row per slice."""
    return {"patient": scores.by_patient(), "slice": scores}


def scores_of_first(table: pd.DataFrame, probability: np.ndarray, positive: str) -> PairScores:
    """Make the scores of two classes of the probability (n,) of the positive one. table: patient, label."""
    return PairScores(table[["patient", "label"]], probability[:, None], (positive,), many=False)


def pairs_of(labels: Sequence[str]) -> list[tuple[str, str]]:
    """List the pairs of classes, in the order of `labels`."""
    return list(combinations(labels, 2))


def scores_of_pairs(table: pd.DataFrame, logits: np.ndarray, labels: Sequence[str]) -> PairScores:
    """Make the scores of all pairs of classes from their logits.

    Parameters
    ----------
    table
        n rows: patient, label.
    logits
        (n, k), in the order of `labels`. Log probabilities give the same scores.
    labels
        k classes.
    """
    pairs = pairs_of(labels)
    label, place = table["label"].to_numpy(), {name: number for number, name in enumerate(labels)}
    values = [
        np.where(np.isin(label, pair), expit(logits[:, place[pair[0]]] - logits[:, place[pair[1]]]), np.nan)
        for pair in pairs
    ]
    return PairScores(table[["patient", "label"]], np.stack(values, axis=1), [first for first, _ in pairs])


def scores_of_swaps(swaps: pd.DataFrame, slices: pd.DataFrame, intervention: str, labels: Sequence[str]) -> PairScores:
    """Make the scores of all pairs where each slice has a part of another class, once of every other class.

    The rows of a pair (a, b) are slices of class a with a part of class b, and the other way round.

    Parameters
    ----------
    swaps
        swap_logits.tsv.
    slices
        A row per slice: slice, patient, label.
    intervention
        A column of `swaps`.
    labels
        The classes.
    """
    rows = pd.Index(slices["slice"]).get_indexer(pd.Index(swaps["slice"]))
    own, other = swaps["label"].to_numpy(), swaps["donor"].to_numpy()
    margin = swaps[intervention].to_numpy(np.float64)
    values = np.full((len(slices), len(pairs_of(labels))), np.nan)
    for number, (first, second) in enumerate(pairs_of(labels)):
        for mine, theirs, sign in ((first, second, 1), (second, first, -1)):
            chosen = (own == mine) & (other == theirs)
            values[rows[chosen], number] = expit(sign * margin[chosen])
    return PairScores(slices[["patient", "label"]], values, [first for first, _ in pairs_of(labels)])
