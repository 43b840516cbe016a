"""The dataset of nnU-Net: names that depend on no key, single slices, and masks that hold lung."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.segmentation.dataset import check_masks, training_names, write_raw_dataset

AFFINE = np.diag([2.0, 2.0, 5.0, 1.0])


def cases_of(**columns: list) -> pd.DataFrame:
    n = len(columns["split"])
    return pd.DataFrame({"case": ["a"] * n, "row": [7] * n, "shard": ["000"] * n} | columns)


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    """Write one case of three slices with lung in the middle one."""
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[2:5, 3:6, 1] = 1
    (tmp_path / "truth" / "000").mkdir(parents=True)
    nibabel.save(nibabel.Nifti1Image(mask, AFFINE), tmp_path / "truth" / "000" / "a.nii.gz")
    return tmp_path / "truth"


def test_names_follow_the_table_and_the_slices() -> None:
    cases = cases_of(split=["train", "val"], z_index=[0, 12])
    assert training_names(cases) == ["row_000007__0000", "row_000007__0012"]
    assert training_names(cases.drop(columns="z_index").head(1)) == ["row_000007"]


def test_masks_of_train_without_any_lung_are_refused(masks: Path) -> None:
    check_masks(cases_of(split=["train"]), masks)
    check_masks(cases_of(split=["val", "train", "val"], z_index=[0, 1, 2]), masks)
    for cases in (cases_of(split=["val"]), cases_of(split=["train", "val", "train"], z_index=[0, 1, 2])):
        with pytest.raises(UserError, match="No training mask of the segmentation cohort holds any lung"):
            check_masks(cases, masks)


def test_a_slice_is_written_at_its_place(tmp_path: Path, masks: Path) -> None:
    cases = cases_of(split=["train", "val"], z_index=[1, 2])
    write_raw_dataset(tmp_path / "raw", cases, masks, masks)
    (written,) = tmp_path.glob("raw/*/labelsTr/row_000007__0001.nii.gz")
    single, whole = nibabel.load(written), nibabel.load(masks / "000" / "a.nii.gz")
    np.testing.assert_array_equal(single.dataobj, np.asarray(whole.dataobj)[:, :, 1:2])
    np.testing.assert_array_equal(single.affine @ [0, 0, 0, 1], AFFINE @ [0, 0, 1, 1])
    assert single.get_data_dtype() == np.uint8
