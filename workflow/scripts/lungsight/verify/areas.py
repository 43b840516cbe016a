"""How well scores rank the rows of pairs of classes: the mean of the AUCs within each pair, also under draws.

With two classes there is one pair. With more, the score of a row in a pair is p_first / (p_first + p_second).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from lungsight.verify.statistics import NAN, Drawing, Floats, Scores, interval, lone, resampled_auc


def logistic(logits: Floats) -> Floats:
    """Turn logits into probabilities."""
    return np.exp(-np.logaddexp(0, -logits))


Ints = npt.NDArray[np.int64]


class Pair(NamedTuple):
    """Two classes, and the rows of a table that are of them: their places, and a score, high for the first."""

    first: str
    second: str
    rows: Ints
    scores: Floats


class Ranked:
    """Rows with their patient and label, and the scores of each pair of classes."""

    def __init__(self, table: pd.DataFrame, pairs: Sequence[Pair], drawing: Drawing):
        self.table, self.pairs, self.drawing = table[["patient", "label"]].reset_index(drop=True), pairs, drawing

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.table)

    def by_patient(self) -> "Ranked":
        """Average the scores over the rows of each patient and label."""
        keys = ["patient", "label"]
        of_rows = self.table.groupby(keys, sort=False).ngroup().to_numpy()
        people = self.table.drop_duplicates(keys)
        pairs = []
        for pair in self.pairs:
            places = np.unique(of_rows[pair.rows])
            sums, counts = (np.bincount(of_rows[pair.rows], each) for each in (pair.scores, None))
            pairs.append(pair._replace(rows=places, scores=sums[places] / counts[places]))
        return Ranked(people, pairs, self.drawing)

    def measured(self) -> list[int]:
        """List the places of the pairs of which both classes have rows."""
        labels = self.table["label"].to_numpy()
        return [place for place, pair in enumerate(self.pairs) if len(set(labels[pair.rows])) == 2]

    def draws(self) -> Floats:
        """Draw patients: within classes where there are many, and then none where a class has one patient."""
        scores = Scores(self.table.assign(probability=NAN), self.drawing.positive)
        none = self.drawing.many and lone(scores)
        return np.zeros((0, scores.patients)) if none else self.drawing.of(scores)

    def areas(self, draws: Floats, places: Sequence[int] | None = None) -> tuple[float, Floats]:
        """Compute the mean AUC of some pairs, by default of all that are measured: once, and under draws."""
        chosen = self.measured() if places is None else places
        rows = Scores(self.table.assign(probability=NAN), self.drawing.positive)
        weights = np.concatenate([np.ones((1, rows.patients)), draws])
        values = []
        for pair in (self.pairs[place] for place in chosen):
            values.append(resampled_auc(rows.part(pair.rows, pair.first, pair.scores), weights))
        mean = np.mean(values, axis=0)
        return float(mean[0]), mean[1:]

    def only(self, place: int) -> "Ranked":
        """Keep one pair, and the rows of its classes."""
        pair = self.pairs[place]
        rows = pair._replace(rows=np.arange(len(pair.rows)))
        return Ranked(self.table.iloc[pair.rows], [rows], self.drawing)

    def with_interval(self, level: float = 0.95) -> tuple[float, float, float]:
        """Compute the mean AUC of all pairs that are measured, with its interval; NaN where none is."""
        if not self.measured():
            return NAN, NAN, NAN
        value, values = self.areas(self.draws())
        return value, *interval(values, level)


def of_first(table: pd.DataFrame, probability: Floats, drawing: Drawing) -> Ranked:
    """Score two classes by the probability of the first."""
    return Ranked(table, [Pair(drawing.positive, "", np.arange(len(table)), probability)], drawing)


def of_pairs(table: pd.DataFrame, logits: Floats, labels: Sequence[str], drawing: Drawing) -> Ranked:
    """Score all pairs of classes by the difference of their logits (n, k)."""
    label, pairs = table["label"].to_numpy(), []
    for one, other in combinations(range(len(labels)), 2):
        rows = np.flatnonzero(np.isin(label, (labels[one], labels[other])))
        scores = logistic(logits[rows, one] - logits[rows, other])
        pairs.append(Pair(labels[one], labels[other], rows, scores))
    return Ranked(table, pairs, drawing)


def of_swaps(swaps: pd.DataFrame, table: pd.DataFrame, column: str, labels: Sequence[str], drawing: Drawing) -> Ranked:
    """Score slices that have a part of a patient of another class, once of every other class.

    Parameters
    ----------
    swaps
        swap_logits.tsv: the logit of the slice's own class minus that of the donor's, in `column`.
    table
        A row per slice: slice, patient, label.
    """
    place_of = {name: place for place, name in enumerate(table["slice"])}
    pairs = []
    for one, other in combinations(labels, 2):
        chosen = swaps[swaps["label"].isin([one, other]) & swaps["donor"].isin([one, other])]
        chosen = chosen[chosen["label"] != chosen["donor"]]
        margins = np.where(chosen["label"] == one, 1, -1) * chosen[column].to_numpy(float)
        rows = np.array([place_of[name] for name in chosen["slice"]], dtype=int)
        order = np.argsort(rows, kind="stable")
        pairs.append(Pair(one, other, rows[order], logistic(margins)[order]))
    return Ranked(table, pairs, drawing)
