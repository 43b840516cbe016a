"""Choose the patients of a training, and the slices of each patient."""

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import FloatArray


def order_of_patients(slices: pd.DataFrame, seed: int, draw: int) -> list[str]:
    """Order the patients at random; a training with n patients takes the first n of them.

    So the patients of a training are among those of a larger one of the same draw. The first patients hold one of each
    class. Behind them the classes come in the shares that they have in the cohort.

    Parameters
    ----------
    slices
        Columns patient and label, of the training subset.
    seed, draw
        Of the order.
    """
    rng = np.random.default_rng([seed, draw])
    by_patient = slices.drop_duplicates("patient")
    places: list[tuple[bool, float, str]] = []
    for label in sorted(by_patient["label"].unique()):
        patients = rng.permutation(by_patient.loc[by_patient["label"] == label, "patient"])
        # Evenly spread over [0, 1): what stands before any point has the classes in their shares.
        spread = (np.arange(len(patients)) + rng.uniform(0.25, 0.75)) / len(patients)
        places += [
            (number > 0, place, patient) for number, (place, patient) in enumerate(zip(spread, patients, strict=True))
        ]
    return [patient for _, _, patient in sorted(places)]


def first_of_each_patient(patients: "pd.Series[str]", values: FloatArray, number: int) -> np.ndarray:
    """Choose of every patient the slices with the highest values, (n,) bool; all of one who has fewer.

    Parameters
    ----------
    patients
        Patient of each slice, (n,).
    values
        Of each slice, (n,). One without a value, NaN, is never chosen; of equal values the first slice is.
    number
        Of slices for each patient.
    """
    ranks = pd.Series(values, index=patients.index).groupby(patients).rank(method="first", ascending=False)
    return (ranks <= number).to_numpy(bool)


def random_values(known: np.ndarray, seed: int, draw: int) -> FloatArray:
    """Draw a number for each slice that may be chosen, NaN for the others; the order by it is a random one.

    Parameters
    ----------
    known
        (n,) bool. The slices whose entropy is known: chosen at random are then slices of the same kind.
    seed, draw
        Of the numbers.
    """
    drawn = np.random.default_rng([seed, draw, 1]).random(len(known))
    return np.where(known, drawn, np.nan)
