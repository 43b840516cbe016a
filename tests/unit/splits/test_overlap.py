"""What two subsets of a split share, counted by hand."""

import numpy as np
import pandas as pd

from lungsight.splits.groups import with_duplicates
from lungsight.splits.overlap import overlap_of, with_pixels

SPLIT = with_duplicates(
    with_pixels(
        pd.DataFrame(
            {
                "slice": list("abcdef"),
                "patient": ["p", "p", "q", "q", "r", "s"],
                "split": ["train", "test", "val", "val", "test", "train"],
            }
        ),
        pd.DataFrame({"slice": list("abcdefg"), "sha256": ["1", "2", "3", "3", "4", "4", "1"]}),
    ),
    pd.DataFrame({"slice": list("abceg"), "group": ["x", "y", "y", "y", "x"]}),
)


def test_patients_and_pixels_in_two_subsets():
    assert overlap_of(SPLIT, [], patients_known=True) == {
        "slices": 6,
        "patients": 4,
        "patients_on_two_sides": 1,
        "test_slices_of_trained_patients": 0.5,
        "identical_images_on_two_sides": 2,  # e and f; c and d are in one subset, and g is not in the split
        "test_images_in_other_cohorts": 0,
        "test_slices_of_patients_in_other_cohorts": 0,
        "near_duplicates_on_two_sides": 3,  # b and e test what c validates; the duplicate of a is not in the split
        "patients_known": 1,
    }


def test_the_share_is_empty_where_patients_are_unknown():
    counts = overlap_of(SPLIT, [], patients_known=False)
    assert np.isnan(counts["test_slices_of_trained_patients"]) and counts["patients_known"] == 0


def test_what_other_cohorts_are_trained_on():
    """Only this cohort's test rows b and e count, and only what another cohort trains or validates on."""
    first = pd.DataFrame({"patient": ["r", "x", "x"], "sha256": ["9", "2", "1"], "split": ["train", "train", "val"]})
    second = pd.DataFrame({"patient": ["y", "p"], "sha256": ["2", "4"], "split": ["val", "test"]})
    counts = overlap_of(SPLIT, [first, second], patients_known=True)
    assert counts["test_images_in_other_cohorts"] == 1  # b, once although two cohorts have it; e only in another test
    assert counts["test_slices_of_patients_in_other_cohorts"] == 1  # e, of patient r; p is only tested there
    assert counts["identical_images_on_two_sides"] == 2
