"""The mean map: what moves with the lung adds up, anything else blurs."""

import io

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from lungsight.explain.mean_map import (
    BEYOND,
    GRID,
    describe_mean_maps,
    in_lung_box,
    included,
    load_mean_maps,
    mean_map,
    mean_maps,
    peak_of,
    save_mean_maps,
)
from lungsight.explain.overlays import draw_mean_maps
from lungsight.training.regions import Box

SIZE = 96
LABELS = ["Covid-19", "Non Covid"]


def lung_and_map(top: int, left: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Make a rectangular lung, and a map with one spot a quarter down and three quarters across it."""
    mask, heat = np.zeros((2, SIZE, SIZE))
    mask[top : top + height, left : left + width] = 1
    heat[top + height // 4, left + 3 * width // 4] = 1
    return mask > 0, gaussian_filter(heat, 2.0).astype(np.float32)


BOXES = [(30, 20, 32, 40), (40, 30, 24, 48), (20, 40, 40, 32)]
MASKS, MAPS = (np.stack(arrays) for arrays in zip(*[lung_and_map(*box) for box in BOXES], strict=True))


def table(**columns: object) -> pd.DataFrame:
    made = {"patient": ["a", "a", "b"], "label": "Covid-19", "reason": "", "lung_fraction": MASKS.mean(axis=(1, 2))}
    return pd.DataFrame(made | columns)


def place(share: tuple[float, float]) -> tuple[int, ...]:
    """Return row and column in the frame of a place in the lung's box."""
    return tuple(int((along + beyond) / (1 + 2 * beyond) * GRID) for along, beyond in zip(share, BEYOND, strict=True))


def test_one_place_of_the_lung_adds_up_wherever_the_lung_lies() -> None:
    mean = mean_map("Covid-19", table(), MAPS, MASKS)
    assert (mean.slices, mean.patients) == (3, 2)
    hottest = np.unravel_index(np.nanargmax(mean.heat), mean.heat.shape)
    np.testing.assert_allclose(hottest, place((0.25, 0.75)), atol=3)
    inside = place((0.05, 0.05)), place((0.95, 0.95))
    assert (mean.lung[inside[0][0] : inside[1][0], inside[0][1] : inside[1][1]] > 0.99).all()
    assert mean.aspect == pytest.approx(0.8)
    assert peak_of(mean) == (mean.heat[hottest], "in the lung")


def test_a_map_without_preference_is_one_everywhere_whatever_its_scale() -> None:
    flat = np.ones((3, 4, 4), np.float32) * np.array([1, 5, 100], np.float32)[:, None, None]
    heat = mean_map("Covid-19", table(), flat, MASKS).heat
    np.testing.assert_allclose(heat[np.isfinite(heat)], 1, rtol=1e-6)


def test_the_frame_is_sampled_at_pixel_centres() -> None:
    ramp = np.tile(np.arange(SIZE, dtype=float), (SIZE, 1))
    box = Box(top=30, bottom=50, left=40, right=80)
    columns = 40 + ((np.arange(GRID) + 0.5) / GRID * (1 + 2 * BEYOND[1]) - BEYOND[1]) * 40 - 0.5
    np.testing.assert_allclose(in_lung_box(ramp, box)[GRID // 2], columns)


@pytest.mark.parametrize(
    ("row", "column", "where"),
    [(20, 40, "in the lung"), (40, 40, "in the box of the lung"), (90, 40, "outside that box")],
)
def test_the_peak_is_named_by_where_it_lies(row: int, column: int, where: str) -> None:
    mask, heat = np.zeros((1, SIZE, SIZE), bool), np.zeros((1, SIZE, SIZE), np.float32)
    mask[:, 10:30, 20:70] = mask[:, 50:70, 20:70] = True
    heat[:, row - 2 : row + 2, column - 2 : column + 2] = 1
    assert peak_of(mean_map("x", table().iloc[:1], heat, mask)).where == where


def test_beyond_the_image_nothing_is_shown() -> None:
    mask = np.zeros((1, SIZE, SIZE), bool)
    mask[:, :30, :40] = True
    heat = mean_map("x", table().iloc[:1], np.ones((1, 3, 3), np.float32), mask).heat
    assert np.isnan(heat[: place((-0.1, 0))[0]]).all()
    assert np.isfinite(heat[place((0.1, 0))[0] : place((0.9, 0))[0], place((0, 0.1))[1] :]).all()


def test_slivers_and_slices_without_a_map_are_left_out() -> None:
    rows = pd.DataFrame({"reason": ["", "", "", "x"], "lung_fraction": [0.2, 0.09, 0.25, 0.9]})
    assert included(rows).tolist() == [True, False, True, False]
    assert not included(rows.assign(reason="x")).any()


def test_each_class_has_a_mean_map_the_positive_first() -> None:
    both = table(label=["Non Covid", "Covid-19", "Non Covid"], lung_fraction=0.2)
    means = mean_maps(both, MAPS, MASKS, LABELS)
    assert [(mean.label, mean.slices) for mean in means] == [("Covid-19", 1), ("Non Covid", 2)]
    for maps in (means, means[:1], []):
        assert Image.open(io.BytesIO(draw_mean_maps(maps))).size == (540, 285)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_mean_maps_are_read_as_they_were_written(tmp_path, count) -> None:
    both = table(label=["Non Covid", "Covid-19", "Non Covid"], lung_fraction=0.2)
    means = mean_maps(both, MAPS, MASKS, LABELS)[:count]
    save_mean_maps(tmp_path / "mean_maps.npz", means)
    found = load_mean_maps(tmp_path / "mean_maps.npz")
    assert describe_mean_maps(found) == describe_mean_maps(means) and len(found) == count
    for one, other in zip(found, means, strict=True):
        np.testing.assert_array_equal(one.heat, other.heat)
        np.testing.assert_array_equal(one.lung, other.lung)
        assert (one.aspect, one.label) == (other.aspect, other.label)
