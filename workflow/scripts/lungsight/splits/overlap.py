"""What two sides of a split, or of two cohorts' splits, share: patients, and images of the same pixels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def in_two_subsets(groups: pd.Series, sides: pd.Series) -> pd.Series:
    """Whether each row's group occurs on another side than its own as well; bool on the rows' index."""
    return sides.groupby(groups).transform("nunique") > 1


def with_pixels(split: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """The table `split` with `sha256` of each slice's pixels, from the table `slices` of its cohort."""
    return split.assign(sha256=split["slice"].map(slices.set_index("slice")["sha256"]))


def leakage_of(split: pd.DataFrame, others: Sequence[pd.DataFrame], patients_known: bool) -> dict[str, object]:
    """Counts of one split, columns of the table `leakage` without cohort, framework and unit.

    split: as `with_pixels` and `with_duplicates`. others: likewise, the other cohorts in the same framework: stage 2
    starts from a model of another cohort, so what that one was trained on must not be tested here. Where patients are
    unknown each image counts as its own, and the share of test slices whose patient was trained on is NaN.
    """
    torn = in_two_subsets(split["patient"], split["split"])
    trained = set(split.loc[split["split"] != "test", "patient"])
    tested = split[split["split"] == "test"]
    near_duplicates = split[split["duplicates"] != ""]
    share = float(tested["patient"].isin(trained).mean()) if patients_known and len(tested) else np.nan
    return {
        "slices": len(split),
        "patients": split["patient"].nunique(),
        "patients_on_two_sides": split.loc[torn, "patient"].nunique(),
        "test_slices_of_trained_patients": share,
        "identical_images_on_two_sides": int(in_two_subsets(split["sha256"], split["split"]).sum()),
        "test_images_in_other_cohorts": _trained_elsewhere(tested, others, "sha256"),
        "test_slices_of_patients_in_other_cohorts": _trained_elsewhere(tested, others, "patient"),
        "near_duplicates_on_two_sides": int(
            in_two_subsets(near_duplicates["duplicates"], near_duplicates["split"]).sum()
        ),
        "patients_known": int(patients_known),
    }


def _trained_elsewhere(tested: pd.DataFrame, others: Sequence[pd.DataFrame], column: str) -> int:
    """How many test rows have a value of `column` that another cohort has in train or val."""
    elsewhere = set().union(*(other.loc[other["split"] != "test", column] for other in others))
    return int(tested[column].isin(elsewhere).sum())
