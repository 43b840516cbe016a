"""Compute statistics of resamples from sums over patients, whatever the number of rows.

A resample draws a patient with all rows. A sum over its rows is therefore Σ_i d_i · s_i, with d_i how often patient i
was drawn and s_i the sum over their rows. The pairs of a positive and a negative row that a score puts in order are a
sum over pairs of patients, Σ_ij d_i · W_ij · d_j, with W_ij those of the positive rows of i and the negative rows of j.

Sums of whole numbers and of halves are exact, so they are the same to the last bit as those over rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lungsight.evaluation.intervals import BoolArray, FloatArray, IntArray

# Up to this many pairs of patients for each row, W costs less than the rows themselves; and it takes 32 MB at most.
PAIRS_PER_ROW, MOST_PATIENTS = 16, 2048


@dataclass(frozen=True)
class Draws:
    """Resamples of the patients of n rows.

    Attributes
    ----------
    numbers
        (n,), the patient of each row: 0, 1, …
    drawn
        (resamples, patients), how often each patient was drawn.
    """

    numbers: IntArray
    drawn: IntArray

    @property
    def patients(self) -> int:
        """The number of patients."""
        return self.drawn.shape[1]

    @property
    def has_few_patients(self) -> bool:
        """Whether there are few enough patients for a table of their pairs."""
        return self.patients <= MOST_PATIENTS and self.patients**2 <= PAIRS_PER_ROW * len(self.numbers)

    def totals(self, chosen: BoolArray) -> FloatArray:
        """Count the chosen rows of every resample, (resamples,). chosen: (n,)."""
        of_patients = np.bincount(self.numbers, weights=chosen, minlength=self.patients)
        return self.drawn.astype(np.float64) @ of_patients

    def pair_totals(self, pairs: FloatArray) -> FloatArray:
        """Sum a table of pairs of patients over every resample, (resamples,). pairs: (patients, patients)."""
        drawn = self.drawn.astype(np.float64)
        return np.einsum("bi,bi->b", drawn @ pairs, drawn)

    def weights(self, elements: int, order: IntArray | None = None) -> Iterator[FloatArray]:
        """Yield how often each row was drawn with its patient, (b, n), in batches of about so many elements.

        order: of the rows, (n,); None leaves them as they are.
        """
        numbers = self.numbers if order is None else self.numbers[order]
        parts = min(len(self.drawn), -(-len(self.drawn) * len(numbers) // elements))
        for batch in np.array_split(self.drawn, parts):
            yield batch[:, numbers].astype(np.float64)


def pairs_in_order(truth: BoolArray, score: FloatArray, numbers: IntArray, patients: int) -> FloatArray:
    """Count, for two patients, the pairs of rows in which the positive one scores higher; a tie counts half.

    Parameters
    ----------
    truth, score
        (n,) of each row: whether it is positive, and its score.
    numbers
        (n,) its patient, below `patients`.
    patients
        Their number.

    Returns
    -------
    (patients, patients): of the positive rows of the first and the negative rows of the second.
    """
    rising = np.argsort(score[truth], kind="stable")
    positives, owners = score[truth][rising], numbers[truth][rising]
    won = np.zeros((patients, patients))
    for patient in np.unique(numbers[~truth]):
        negatives = score[~truth & (numbers == patient)]
        # Each negative row loses against the positives from `above` on, and ties with those from `tied` on.
        tied, above = (np.searchsorted(positives, negatives, side) for side in ("left", "right"))
        starts = np.bincount(tied, minlength=len(positives) + 1) + np.bincount(above, minlength=len(positives) + 1)
        lost = starts[:-1].cumsum() / 2
        won[:, patient] = np.bincount(owners, weights=lost, minlength=patients)
    return won
