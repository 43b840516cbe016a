"""Draft a cohort table from a folder of scans."""

import nibabel
import numpy as np
import pytest
from PIL import Image

from lungsight.errors import UserError
from lungsight.intake.draft_table import draft_table
from tests.factories.dicom import made_rtstruct, made_series, save_series, uid


def test_series_masks_volumes_and_pictures_are_found(tmp_path):
    save_series(tmp_path / "P1" / "study" / "ct", made_series())
    save_series(tmp_path / "P1" / "study" / "rt", [made_rtstruct({"Lung-Left": []})])
    other = made_series(series="a") + made_series(series="b")
    for dataset in other:
        dataset.StudyInstanceUID = uid("another study")
    save_series(tmp_path / "P2", other)
    (tmp_path / "P3").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "P3" / "1.png")
    nibabel.save(nibabel.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)), tmp_path / "P3" / "v.nii.gz")
    (tmp_path / "readme.txt").write_text("scans")
    draft = draft_table(tmp_path)
    assert draft.rows == [
        {"patient": "P1", "label": "", "path": "P1/study/ct", "mask": "P1/study/rt/001.dcm"},
        {"patient": "P2", "label": "", "path": "P2", "mask": ""},
        {"patient": "P3", "label": "", "path": "P3/1.png", "mask": ""},
        {"patient": "P3", "label": "", "path": "P3/v.nii.gz", "mask": ""},
    ]
    assert +draft.found == {
        **{"dicom": 2, "png": 1, "nifti": 1, "masks": 1},
        **{"other files": 1, "folders with several series": 1},
    }
    assert draft.formats[0] == "dicom"


def test_masks_by_their_names_are_no_scans_and_pairs_are_one(tmp_path):
    image, pair = (
        nibabel.Nifti1Image(np.zeros((2, 2, 2)), np.eye(4)),
        nibabel.Nifti1Pair(np.zeros((2, 2, 2)), np.eye(4)),
    )
    masks = ("lung_mask.nii.gz", "LungMask.nii", "a-seg.nii.gz", "labels.nii", "lesion.nii.gz", "masks/1.nii.gz")
    for name in ("P1/ct.nii.gz", "P1/massive.nii", "P1/lesion/2.nii", *(f"P1/{mask}" for mask in masks)):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        nibabel.save(image, tmp_path / name)
    nibabel.save(pair, tmp_path / "P1" / "pair.hdr")
    (tmp_path / "P1" / "alone.hdr").write_bytes(b"ENVI")
    draft = draft_table(tmp_path)
    assert [row["path"] for row in draft.rows] == ["P1/ct.nii.gz", "P1/lesion/2.nii", "P1/massive.nii", "P1/pair.hdr"]
    assert +draft.found == {"nifti": 4, "files named like masks": 6, "other files": 1}


def test_names_like_masks_say_nothing_where_all_have_them(tmp_path):
    (tmp_path / "segmentation").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "segmentation" / "1.png")
    assert [row["path"] for row in draft_table(tmp_path).rows] == ["segmentation/1.png"]


def test_files_in_the_root_itself(tmp_path):
    save_series(tmp_path, made_series()[:2])
    (row,) = draft_table(tmp_path).rows
    assert (row["patient"], row["path"]) == (tmp_path.name, ".")


def test_a_folder_without_scans_is_reported(tmp_path):
    with pytest.raises(UserError, match="no DICOM series, NIfTI volume or picture"):
        draft_table(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        draft_table(tmp_path / "none")


def test_damaged_files_and_leftovers_give_no_row(tmp_path):
    folder = save_series(tmp_path / "P1", made_series())
    whole = (folder / "001.dcm").read_bytes()
    for number, length in enumerate((131, 140, 200, 300, 420, 700), start=1):
        (tmp_path / f"cut{number}").mkdir()
        (tmp_path / f"cut{number}" / "001.dcm").write_bytes(whole[:length])
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "x.png")
    for leftover in ("._x.png", ".DS_Store", "Thumbs.db", "__MACOSX/x.png", "__MACOSX/P1/001.dcm", "._v.nii.gz"):
        (tmp_path / leftover).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / leftover).write_bytes(whole if leftover.endswith("dcm") else b"\0\5\x16\7")
    paths = {row["path"] for row in draft_table(tmp_path).rows}
    assert {"P1", "x.png"} <= paths
    assert all(path in ("P1", "x.png") or path.startswith("cut") for path in paths)


def test_files_without_preamble_are_found(tmp_path):
    folder = save_series(tmp_path / "P1", made_series()[:2])
    for path in folder.iterdir():
        raw = path.read_bytes()
        path.write_bytes(raw[raw.index(b"\x08\x00\x08\x00CS") :])
    (row,) = draft_table(tmp_path).rows
    assert row["path"] == "P1"


def test_names_of_folders_do_not_run_as_formulas_where_the_table_is_filled_in(tmp_path):
    (tmp_path / "=1+1").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "=1+1" / "a.png")
    (row,) = draft_table(tmp_path).rows
    assert row == {"patient": "'=1+1", "label": "", "path": "./=1+1/a.png", "mask": ""}
    assert (tmp_path / row["path"]).is_file()
