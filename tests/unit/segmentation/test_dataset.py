"""The dataset of nnU-Net: names that depend on no key, single slices, and masks that hold lung."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest

from lungsight.demo.anatomy import thorax
from lungsight.errors import UserError
from lungsight.files import read_json
from lungsight.segmentation.dataset import add_lesions, check_masks, training_names, write_raw_dataset, write_split
from lungsight.segmentation.lesion_augmentation import with_lesions
from lungsight.segmentation.nnunet import DATASET

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


def test_training_cases_are_written_a_second_time_with_lesions(tmp_path: Path) -> None:
    made = thorax(seed=3, matrix=96, slices=4, lungs_only=True)
    volume = np.clip((made.hu + 1250) / 1500, 0, 1).astype(np.float32)
    for part, values in (("images", volume), ("truth", made.lung.astype(np.uint8))):
        (tmp_path / part / "000").mkdir(parents=True)
        for case in ("a", "b"):
            nibabel.save(nibabel.Nifti1Image(values, made.affine), tmp_path / part / "000" / f"{case}.nii.gz")
    cases = cases_of(split=["train", "val"]).assign(case=["a", "b"], row=[1, 2])
    write_raw_dataset(tmp_path / "raw", cases, tmp_path / "images", tmp_path / "truth")
    names = add_lesions(tmp_path / "raw", cases, seed=5)
    write_split(tmp_path, cases, names)
    folder = tmp_path / "raw" / DATASET
    assert names == ["row_000001__lesions"]
    assert read_json(folder / "dataset.json")["numTraining"] == 3
    (split,) = read_json(tmp_path / "preprocessed" / DATASET / "splits_final.json")
    assert split == {"train": ["row_000001", "row_000001__lesions"], "val": ["row_000002"]}
    truth = np.asanyarray(nibabel.load(folder / "labelsTr" / "row_000001__lesions.nii.gz").dataobj) > 0
    image = np.asanyarray(nibabel.load(folder / "imagesTr" / "row_000001__lesions_0000.nii.gz").dataobj)
    np.testing.assert_array_equal(truth, made.lung)
    np.testing.assert_array_equal(image[~made.lung], volume[~made.lung])
    changed = image - volume > 0.1
    assert 0.03 < changed[made.lung].mean() < 0.7
    assert np.count_nonzero(changed & (image > 0.6)) > 100, "some of it is as dense as soft tissue"


@pytest.mark.parametrize("slices", [1, 3])
def test_lesions_depend_on_the_seed_alone_and_need_a_lung(slices: int) -> None:
    lung = np.zeros((60, 40, slices), dtype=bool)
    lung[10:30, 5:35] = True
    volume = np.where(lung, 0.25, 0.85).astype(np.float32)
    first, again, other = (with_lesions(volume, lung, (2, 2, 5), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any() and first.max() <= 0.9 and first.dtype == np.float32
    nothing = np.zeros_like(lung)
    np.testing.assert_array_equal(with_lesions(volume, nothing, (2, 2, 5), np.random.default_rng(1)), volume)
