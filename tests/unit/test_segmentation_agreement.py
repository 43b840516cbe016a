"""Dice, volumes and the tables and messages around training."""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from nibabel.affines import from_matvec
from nnunetv2.paths import nnUNet_raw
from PIL import Image

from lungsight.segmentation.agreement import compare_masks, dice
from lungsight.segmentation.curve import draw_curve
from lungsight.segmentation.nnunet import nnunet_environment
from lungsight.segmentation.volumes import read_image, read_mask, write_mask


def test_dice_equals_simpleitk() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.random((2, 9, 8, 4)) < 0.4
    peer = sitk.LabelOverlapMeasuresImageFilter()
    peer.Execute(*(sitk.GetImageFromArray(mask.astype(np.uint8)) for mask in (truth, predicted)))
    assert dice(truth, predicted) == pytest.approx(peer.GetDiceCoefficient(), rel=1e-12)


def test_compare_masks() -> None:
    affine = np.array([[0, -2, 0, 5], [1.5, 0, 0, 7], [0, 0, 4, 0], [0, 0, 0, 1]])  # 12 mm³ a voxel, turned
    truth = np.zeros((10, 10, 10), dtype=bool)
    truth[:5] = True
    predicted = truth.copy()
    predicted[4] = False
    expected = {"dice": 2 * 400 / 900, "true_ml": 6.0, "predicted_ml": 4.8, "reason": ""}
    assert compare_masks(truth, predicted, affine) == pytest.approx(expected)
    assert compare_masks(truth, ~truth & False, affine)["dice"] == 0
    both_empty = compare_masks(truth & False, truth & False, affine)
    assert np.isnan(both_empty["dice"])
    assert both_empty["reason"] == "no lung in either mask"


def test_mask_keeps_grid_and_affine(tmp_path: Path) -> None:
    turned = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    affine = from_matvec(turned @ np.diag([0.7, 0.7, 2.5]), [-11, -22, 33])
    mask = np.random.default_rng(1).random((5, 6, 7)) < 0.5
    write_mask(tmp_path / "mask.nii.gz", mask, affine)
    read, read_affine = read_mask(tmp_path / "mask.nii.gz")
    np.testing.assert_array_equal(read, mask)
    np.testing.assert_allclose(read_affine, affine, atol=1e-5)
    spacing = read_image(tmp_path / "mask.nii.gz", "case").spacing
    assert spacing == pytest.approx(sitk.ReadImage(str(tmp_path / "mask.nii.gz")).GetSpacing(), rel=1e-6)
    assert read_image(tmp_path / "mask.nii.gz", "case", spacing_known=False).spacing is None


def test_environment_is_scrubbed_and_restored(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = dict(os.environ)
    with nnunet_environment(raw=tmp_path, epochs=3):
        assert (nnUNet_raw.get(), os.environ["LUNGSIGHT_EPOCHS"]) == (str(tmp_path), "3")
        print("reading /data/john doe/scans/1.dcm")
        print("10 %\r20 %")
        print("a line without end", end="", file=sys.stderr)
    assert dict(os.environ) == before
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "10 %\n20 %\na line without end\n" in shown.err
    assert "john" not in shown.err


@pytest.mark.parametrize("epochs", [0, 1, 40])
def test_curve_is_drawn_with_and_without_training(tmp_path: Path, epochs: int) -> None:
    metrics = pd.DataFrame({"split": ["train", "train", "test"], "dice": [0.9, np.nan, 0.8]})
    steps = np.arange(1, epochs + 1)
    training = pd.DataFrame({"epoch": steps, "train_loss": -steps, "val_loss": -steps, "dice": steps / 40.0})
    draw_curve(tmp_path / "curve.png", metrics, training if epochs else None)
    with Image.open(tmp_path / "curve.png") as picture:
        assert not picture.info.get("Software")
        assert picture.width > picture.height * (2 if epochs else 1)
