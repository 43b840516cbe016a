"""Count what two subsets of a split, or two cohorts' splits, share: patients, equal images and near duplicates."""

from collections.abc import Sequence

import numpy as np
import pandas as pd


def in_two_subsets(groups: pd.Series, subsets: pd.Series) -> pd.Series:
    """Return whether the group of each row occurs in another subset as well; bool on the index of the rows."""
    return subsets.groupby(groups).transform("nunique") > 1


def with_pixels(split: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Add `sha256` of each slice's pixels to the table `split`, from the table `slices` of its cohort."""
    return split.assign(sha256=split["slice"].map(slices.set_index("slice")["sha256"]))


def overlap_of(split: pd.DataFrame, others: Sequence[pd.DataFrame], patients_known: bool) -> dict[str, object]:
    """Count what the subsets of one split share.

    Parameters
    ----------
    split
        As `with_pixels` and `with_duplicates` return it.
    others
        The same tables of the other cohorts, of the same input view. Stage 2 starts from a model of another cohort:
        what that model was trained on must not be tested here.
    patients_known
        If False, each image counts as its own patient, and the share of test slices whose patient is also in train or
        val is NaN.

    Returns
    -------
    dict
        Columns of the table `leakage`, without cohort, framework and unit.
    """
    divided = in_two_subsets(split["patient"], split["split"])
    trained = set(split.loc[split["split"] != "test", "patient"])
    tested = split[split["split"] == "test"]
    near_duplicates = split[split["duplicates"] != ""]
    share = float(tested["patient"].isin(trained).mean()) if patients_known and len(tested) else np.nan
    return {
        "slices": len(split),
        "patients": split["patient"].nunique(),
        "patients_on_two_sides": split.loc[divided, "patient"].nunique(),
        "test_slices_of_trained_patients": share,
        "identical_images_on_two_sides": int(in_two_subsets(split["sha256"], split["split"]).sum()),
        "test_images_in_other_cohorts": _count_trained_elsewhere(tested, others, "sha256"),
        "test_slices_of_patients_in_other_cohorts": _count_trained_elsewhere(tested, others, "patient"),
        "near_duplicates_on_two_sides": int(
            in_two_subsets(near_duplicates["duplicates"], near_duplicates["split"]).sum()
        ),
        "patients_known": int(patients_known),
    }


def _count_trained_elsewhere(tested: pd.DataFrame, others: Sequence[pd.DataFrame], column: str) -> int:
    """Count the test rows whose value of `column` another cohort has in train or val."""
    elsewhere = set().union(*(other.loc[other["split"] != "test", column] for other in others))
    return int(tested[column].isin(elsewhere).sum())
