"""Agreement of masks with contours, the pictures of the segmentation, and the environment of nnU-Net."""

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
from scipy.spatial import KDTree

from lungsight.segmentation.agreement import compare_masks, dice, surface_distance_95
from lungsight.segmentation.nnunet import nnunet_environment
from lungsight.segmentation.training_figure import draw_curve
from lungsight.segmentation.volumes import read_image, read_mask, write_mask
from lungsight.segmentation.worst_cases_figure import Comparison, draw_worst, most_different_slice, worst_cases
from tests.factories.tables import disc


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
    # The surfaces share three quarters and more of their voxels; the planes i = 3 and i = 4 lie 1.5 mm apart.
    expected = {"dice": 2 * 400 / 900, "surface_distance_95": 1.5, "true_ml": 6.0, "predicted_ml": 4.8}
    assert compare_masks(truth, predicted, affine) == pytest.approx(expected | {"volume_error": -0.2, "reason": ""})
    lost = compare_masks(truth, truth & False, affine)
    assert (lost["dice"], lost["volume_error"]) == (0, -1)
    assert np.isnan(lost["surface_distance_95"])
    both_empty = compare_masks(truth & False, truth & False, affine)
    assert np.isnan(both_empty["dice"])
    assert both_empty["reason"] == "no lung in either mask"


@pytest.mark.parametrize("slices", [1, 12])
def test_surface_distance_equals_a_search_over_all_pairs(slices: int) -> None:
    spacing = (0.8, 1.3, 5.0)
    truth, predicted = (
        np.stack([disc(40, 0.5, centre, 0.3, 0.2)] * slices, axis=-1) for centre in (0.45, 0.55)
    )  # fmt: skip
    predicted[5:9, 5:9, : slices // 2 + 1] = True
    points = []
    for mask in (truth, predicted):
        padded = np.pad(mask, 1)
        padded[:, :, [0, -1]] = slices == 1  # the one slice has no faces above and below
        neighbours = [np.roll(padded, step, axis)[1:-1, 1:-1, 1:-1] for axis in range(3) for step in (1, -1)]
        points.append(np.argwhere(mask & ~np.all(neighbours[: 4 if slices == 1 else 6], axis=0)) * spacing)
    distances = [KDTree(points[there]).query(points[here])[0] for here, there in ((0, 1), (1, 0))]
    expected = np.percentile(np.concatenate(distances), 95)
    assert surface_distance_95(truth, predicted, spacing) == pytest.approx(expected)
    assert surface_distance_95(truth, truth, spacing) == 0


def test_surface_distance_agrees_with_simpleitk() -> None:
    """Its Hausdorff distance, the maximum, bounds ours for masks that differ in one place."""
    truth = np.stack([disc(40, 0.5, 0.5, 0.3, 0.2)] * 9, axis=-1)
    predicted = np.roll(truth, 4, axis=0)
    images = [sitk.GetImageFromArray(mask.astype(np.uint8).transpose(2, 1, 0)) for mask in (truth, predicted)]
    for image in images:
        image.SetSpacing((2.0, 2.0, 3.0))
    peer = sitk.HausdorffDistanceImageFilter()
    peer.Execute(*images)
    distance = surface_distance_95(truth, predicted, (2.0, 2.0, 3.0))
    assert peer.GetAverageHausdorffDistance() < distance <= peer.GetHausdorffDistance() == 8


def test_worst_cases_are_those_of_test_first() -> None:
    metrics = pd.DataFrame(
        {"case": list("abcde"), "split": ["train", "test", "val", "test", "test"], "dice": [0.5, 0.9, 0.7, 0.8, np.nan]}
    )
    assert worst_cases(metrics, 3)["case"].tolist() == ["d", "b", "a"]


def test_worst_cases_are_drawn_where_masks_differ_most(tmp_path: Path) -> None:
    truth = np.stack([disc(40, 0.5, 0.5, 0.3, 0.2)] * 3, axis=-1)
    predicted = truth.copy()
    predicted[:, :, 1] = disc(40, 0.5, 0.5, 0.1, 0.2)
    assert most_different_slice(truth, predicted) == 1
    row = pd.Series({"split": "test", "case": "0" * 16, "dice": 0.8})
    draw_worst(tmp_path / "worst.png", [Comparison(row, 0, np.zeros(truth.shape), truth, predicted)] * 3)
    with Image.open(tmp_path / "worst.png") as picture:
        colours = set(map(tuple, np.asarray(picture.convert("RGB")).reshape(-1, 3)))
    assert {(77, 195, 255), (255, 157, 46)} <= colours
    draw_worst(tmp_path / "nothing.png", [])
    assert (tmp_path / "nothing.png").is_file()


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
