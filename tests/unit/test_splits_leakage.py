"""What two sides share, counted by hand."""

import numpy as np
import pandas as pd

from lungsight.splits.leakage import leakage_of

SPLIT = pd.DataFrame(
    {
        "slice": list("abcdef"),
        "patient": ["p", "p", "q", "q", "r", "s"],
        "split": ["train", "test", "val", "val", "test", "train"],
    }
)
SLICES = pd.DataFrame({"slice": list("abcdefg"), "sha256": ["1", "2", "3", "3", "4", "4", "1"]})


def test_patients_and_pixels_on_two_sides():
    assert leakage_of(SPLIT, SLICES, patients_known=True) == {
        "slices": 6,
        "patients": 4,
        "patients_on_two_sides": 1,
        "test_slices_of_trained_patients": 0.5,
        "identical_images_on_two_sides": 2,  # e and f; c and d are on one side, and g is not in the split
        "patients_known": 1,
    }


def test_unknown_patients_leave_the_share_open():
    found = leakage_of(SPLIT, SLICES, patients_known=False)
    assert np.isnan(found["test_slices_of_trained_patients"]) and found["patients_known"] == 0
