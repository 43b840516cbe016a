"""Ask whether the slices that are left, once those without an accepted lung mask are out, are a fair sample.

The audit needs the lung mask of a slice. Where masks were lost, the verdict rests on the rest. It may not speak for the
test patients where a class has few of them left, or lost most of its slices, or where the loss follows the class or the
model's errors. LIMITS says from where on; docs/audit.md says why.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.audit.rows import Estimate, Statistic, clustered_interval
from lungsight.explain.reasons import REJECTED, left_out
from lungsight.explain.summary import WRONG


class Limits(NamedTuple):
    """From where on what is left is no fair sample.

    Attributes
    ----------
    patients
        Fewest patients of a class that may be left.
    kept
        Lowest share of its slices that a class may keep, the mean over its patients.
    difference
        Largest difference of the share that is lost between two classes, or between right and wrong predictions. It
        counts where its interval leaves 0 out.
    of_outcome
        Fewest patients with wrong, and with right predictions, from whom such a difference is measured.
    """

    patients: int
    kept: float
    difference: float
    of_outcome: int


WRONG_OUTCOMES = ("FP", "FN", WRONG)
LIMITS = Limits(patients=5, kept=0.5, difference=0.25, of_outcome=10)


class ClassCounts(NamedTuple):
    """Test slices and patients of one class; `lost`: the share of slices that is lost, the mean over its patients."""

    label: str
    slices: int
    slices_left: int
    patients: int
    patients_left: int
    lost: float


class AuditedSample(NamedTuple):
    """What is left of the test slices of a model.

    Attributes
    ----------
    classes
        In the order of the table.
    by_class
        Share lost in one class minus that in another, of the two that differ most: never negative.
    by_outcome
        Share lost of the wrongly predicted slices minus that of the rightly predicted. None where either are of fewer
        patients than LIMITS names, and where a lost slice has no prediction: a network on segmented slices sees none.
    """

    classes: tuple[ClassCounts, ...] = ()
    by_class: Estimate = Estimate()
    by_outcome: Estimate = Estimate()

    @property
    def slices(self) -> int:
        """Test slices, all."""
        return sum(each.slices for each in self.classes)

    @property
    def lost(self) -> int:
        """Slices that are left out."""
        return self.slices - sum(each.slices_left for each in self.classes)

    @property
    def lost_of_classes(self) -> str:
        """How many slices of which class are left out, in words."""
        return ", ".join(f"{each.slices - each.slices_left} of {each.slices} {each.label}" for each in self.classes)

    @property
    def smallest(self) -> ClassCounts:
        """The class with the fewest patients left."""
        return min(self.classes, key=lambda each: each.patients_left)

    @property
    def most_lost(self) -> ClassCounts:
        """The class that lost the largest share of its slices."""
        return max(self.classes, key=lambda each: each.lost)

    @property
    def too_few_left(self) -> bool:
        """Whether a class has lost so many patients that too few are left."""
        return self.lost > 0 and self.smallest.patients_left < LIMITS.patients

    @property
    def mostly_lost(self) -> bool:
        """Whether a class lost most of its slices."""
        return self.lost > 0 and 1 - self.most_lost.lost < LIMITS.kept

    @property
    def follows_class(self) -> bool:
        """Whether the loss depends on the class, and much."""
        return self.by_class.value > LIMITS.difference and self.by_class.above(0)

    @property
    def follows_outcome(self) -> bool:
        """Whether the loss depends on whether the model is right, and much."""
        return abs(self.by_outcome.value) > LIMITS.difference and (self.by_outcome.above(0) or self.by_outcome.below(0))


def with_slices_not_seen(saliency: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Add the test slices that a model never saw, since no lung could be cut out of them.

    The split of segmented slices holds only those with an accepted mask. The common split shows what was lost.

    Parameters
    ----------
    saliency
        saliency.tsv: a row for each slice that the model was tested on.
    test
        The test slices of the common split: slice, patient, label.

    Returns
    -------
    DataFrame
        slice, patient, label, outcome and reason: the rows of `saliency`, then the others, whose outcome is "".
    """
    not_seen = test.loc[~test["slice"].isin(saliency["slice"]), ["slice", "patient", "label"]]
    columns = [*not_seen.columns, "outcome", "reason"]
    return pd.concat([saliency[columns], not_seen.assign(outcome="", reason=REJECTED)], ignore_index=True)


def audited_sample(slices: pd.DataFrame, resamples: int, seed: int) -> AuditedSample:
    """Count what is left of the test slices of a model, and measure whether the loss follows class or outcome.

    Parameters
    ----------
    slices
        A row for each test slice: patient, label, outcome and reason, as in saliency.tsv. outcome: "" where the model
        made no prediction.
    resamples, seed
        Of the intervals, which draw patients.
    """
    predicted = bool((slices["outcome"] != "").all())
    slices = slices[["patient", "label"]].assign(
        lost=left_out(slices).to_numpy(np.float64), wrong=slices["outcome"].isin(WRONG_OUTCOMES).to_numpy()
    )
    patients = slices.groupby(["label", "patient"], sort=False, as_index=False)["lost"].mean()
    labels: list[str] = [str(label) for label in slices["label"].unique()]
    classes = tuple(
        _counts(label, slices[slices["label"] == label], patients[patients["label"] == label]) for label in labels
    )
    if not slices["lost"].any():
        return AuditedSample(classes, Estimate(0.0, 0.0, 0.0), Estimate(0.0, 0.0, 0.0))
    by_class = Estimate()
    if len(classes) > 1:
        most, least = max(classes, key=lambda each: each.lost), min(classes, key=lambda each: each.lost)
        members = [(patients["label"] == each.label).to_numpy() for each in (most, least)]
        by_class = _estimate(_difference(patients["lost"], *members), patients["patient"], resamples, seed)
    wrong = slices["wrong"].to_numpy(bool)
    by_outcome = Estimate()
    # Of a handful of patients an interval says nothing: it is as narrow as their slices are alike.
    if predicted and min(slices["patient"][each].nunique() for each in (wrong, ~wrong)) >= LIMITS.of_outcome:
        by_outcome = _estimate(_difference(slices["lost"], wrong, ~wrong), slices["patient"], resamples, seed)
    return AuditedSample(classes, by_class, by_outcome)


def _counts(label: str, slices: pd.DataFrame, patients: pd.DataFrame) -> ClassCounts:
    left = int((slices["lost"] == 0).sum())
    patients_left = int((patients["lost"] < 1).sum())
    return ClassCounts(label, len(slices), left, len(patients), patients_left, float(patients["lost"].mean()))


def _difference(values: "pd.Series[float]", first: np.ndarray, second: np.ndarray) -> Statistic:
    """Make the difference of two groups' means a statistic of weighted rows; NaN where a group has no weight."""
    numbers = values.to_numpy(np.float64)

    def statistic(weights: np.ndarray) -> np.ndarray:
        means: list[np.ndarray] = []
        for group in (first, second):
            total = weights @ group.astype(np.float64)
            sums = weights @ (group * numbers)
            means.append(np.divide(sums, total, out=np.full(len(total), np.nan), where=total > 0))
        return means[0] - means[1]

    return statistic


def _estimate(statistic: Statistic, patients: "pd.Series[str]", resamples: int, seed: int) -> Estimate:
    value, interval = clustered_interval(statistic, patients, resamples, seed)
    return Estimate(value, *interval)
