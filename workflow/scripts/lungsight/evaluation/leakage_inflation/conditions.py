"""Make the split table of each condition: {split by slice, by patient} × {true labels, random labels per patient}."""

import numpy as np
import pandas as pd

from lungsight.evaluation.leakage_inflation.settings import RANDOM_LABELS, LeakageCondition
from lungsight.splits.cohort_split import SplitPlan, subsets_of_slices


def random_patient_labels(slices: pd.DataFrame, seed: int) -> "pd.Series[str]":
    """Draw a random label for every patient, the same for all slices of the patient.

    Of the patients with one true label, half get each label; of an odd number, the odd one by chance. The new labels
    are therefore independent of the true ones in this very draw, not only on average.

    Parameters
    ----------
    slices
        Columns patient and label, in table order.
    seed
        Of the draw.

    Returns
    -------
    Labels on the index of `slices`.
    """
    rng = np.random.default_rng(seed)
    truth = slices.drop_duplicates("patient").set_index("patient")["label"]
    both = sorted(truth.unique())
    drawn: dict[str, str] = {}
    for label in both:
        patients = truth.index[truth == label]
        places = rng.permutation(len(patients)) + rng.integers(len(both))
        drawn |= {patient: both[place % len(both)] for patient, place in zip(patients, places, strict=True)}
    return slices["patient"].map(drawn)


def thinned(slices: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return at most `most` slices: every k-th in table order."""
    return slices.iloc[:: max(1, -(-len(slices) // most))].reset_index(drop=True)


def split_of_condition(
    slices: pd.DataFrame, condition: LeakageCondition, fractions: list[float], seed: int
) -> pd.DataFrame:
    """Make the split table of one condition: all slices, with the condition's labels and subsets.

    Subsets are stratified by the condition's labels; where these are random, by the true labels as well.

    Parameters
    ----------
    slices
        Columns slice, patient and label, in table order.
    condition
        Labels, and the unit of the split.
    fractions
        Of train, validation and test.
    seed
        Of the labels and the split.
    """
    labels = random_patient_labels(slices, seed) if condition.labels == RANDOM_LABELS else slices["label"]
    table = slices[["slice", "patient"]].assign(label=labels)
    units = table.assign(cohort="", source=slices["label"], preassigned="", row=0)
    return table.assign(split=subsets_of_slices(units, SplitPlan(condition.unit, fractions, seed)))
