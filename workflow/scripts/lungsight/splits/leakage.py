"""What two sides of a split share: patients, and images that are the same pixel for pixel."""

import numpy as np
import pandas as pd


def on_two_sides(groups: pd.Series, sides: pd.Series) -> pd.Series:
    """Whether each row's group occurs on another side than its own as well; bool on the rows' index."""
    return sides.groupby(groups).transform("nunique") > 1


def leakage_of(split: pd.DataFrame, slices: pd.DataFrame, patients_known: bool) -> dict[str, object]:
    """Counts of one split, columns of the table `leakage` without cohort, framework and unit.

    split: the table `split`. slices: the table `slices` of its cohort, for the digests of the pixels. Where patients
    are unknown each image counts as its own, and the share of test slices whose patient was trained on is NaN.
    """
    torn = on_two_sides(split["patient"], split["split"])
    pixels = split["slice"].map(slices.set_index("slice")["sha256"])
    trained = set(split.loc[split["split"] != "test", "patient"])
    tested = split.loc[split["split"] == "test", "patient"]
    share = float(tested.isin(trained).mean()) if patients_known and len(tested) else np.nan
    return {
        "slices": len(split),
        "patients": split["patient"].nunique(),
        "patients_on_two_sides": split.loc[torn, "patient"].nunique(),
        "test_slices_of_trained_patients": share,
        "identical_images_on_two_sides": int(on_two_sides(pixels, split["split"]).sum()),
        "patients_known": int(patients_known),
    }
