"""The four arms of the experiment: {slice, patient} splits × {true, shuffled} labels of the same slices."""

import numpy as np
import pandas as pd

from lungsight.evaluation.leakage_inflation.settings import LeakageCondition
from lungsight.splits.cohort_split import SplitPlan, subsets_of_slices


def random_patient_labels(slices: pd.DataFrame, seed: int) -> pd.Series:
    """A random label for every patient, the same for all of a patient's slices.

    slices: `patient label`, in table order. Of the patients with each true label one half gets each label (of an odd
    number, the odd one by chance), so that the new labels tell nothing of the true ones, not even by accident. Returns
    labels on the index of `slices`.
    """
    rng = np.random.default_rng(seed)
    truth = slices.drop_duplicates("patient").set_index("patient")["label"]
    both = sorted(truth.unique())
    drawn = {}
    for label in both:
        patients = truth.index[truth == label]
        places = rng.permutation(len(patients)) + rng.integers(len(both))
        drawn |= {patient: both[place % len(both)] for patient, place in zip(patients, places, strict=True)}
    return slices["patient"].map(drawn)


def thinned(slices: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many slices, every k-th in table order."""
    return slices.iloc[:: max(1, -(-len(slices) // most))].reset_index(drop=True)


def split_of_condition(
    slices: pd.DataFrame, condition: LeakageCondition, fractions: list[float], seed: int
) -> pd.DataFrame:
    """The table `split` of one arm: all slices, with the arm's labels and sides.

    slices: `slice patient label` in table order. Sides are stratified by the arm's labels, shuffled ones by the true
    labels as well.
    """
    labels = random_patient_labels(slices, seed) if condition.labels == "shuffled" else slices["label"]
    table = slices[["slice", "patient"]].assign(label=labels)
    units = table.assign(cohort="", source=slices["label"], preassigned="", row=0)
    return table.assign(split=subsets_of_slices(units, SplitPlan(condition.unit, fractions, seed)))
