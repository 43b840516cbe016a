"""Lungs in pictures: phantoms whose lungs are known, in other windows, crops, paddings and with letters."""

import numpy as np
import pytest
from scipy import ndimage

from benchmarks.picture_masks import KINDS, Picture, kept, mask_of, pictures_of
from lungsight.qc.scores import is_cut_out, on_usual_scale, volume_scores
from lungsight.segmentation.agreement import dice
from lungsight.segmentation.single_slice import cut_out_lungs, divide, levels_of, padding_of


def middle_picture(kind: str, seed: int = 802) -> Picture:
    return list(pictures_of(kind, seed, matrix=192, slices=3))[1]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [801, 802])
def test_the_mask_of_a_picture_agrees_with_the_truth_and_is_kept(kind: str, seed: int) -> None:
    picture = middle_picture(kind, seed)
    mask = mask_of(picture)
    assert dice(picture.lungs, mask) > 0.95
    assert kept(picture, mask) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_lung_the_trachea_alone_and_nothing_are_not_kept(kind: str) -> None:
    picture = middle_picture(kind)
    columns = np.flatnonzero(picture.lungs.any(axis=0))
    one = picture.lungs.copy()
    one[:, : columns.mean().astype(int)] = False
    rows, columns = np.nonzero(picture.lungs)
    trachea = np.zeros_like(one)
    trachea[int(rows.mean()) - 4 : int(rows.mean()) + 4, int(columns.mean()) - 4 : int(columns.mean()) + 4] = True
    for mask in (one, trachea, np.zeros_like(one)):
        assert kept(picture, mask) == (1, 0)


def test_a_mask_that_leaked_is_not_kept() -> None:
    for kind in ("lung window", "cropped around the lungs", "round field padded with black"):
        picture = middle_picture(kind)
        wall = ndimage.binary_dilation(picture.lungs, iterations=9)
        outside = picture.lungs | ((picture.grey < 128) & ~ndimage.binary_fill_holes(picture.grey >= 128))
        assert kept(picture, wall)[1] == 0, kind
        assert kept(picture, outside)[1] == int(kind.startswith("cropped")), "a crop shows no air around the body"


def cut_out(picture: Picture) -> Picture:
    return Picture(np.where(picture.lungs, np.maximum(picture.grey, 60), 0).astype(np.uint8), picture.lungs)


def test_lungs_that_are_cut_out_are_recognised() -> None:
    picture = cut_out(middle_picture("lung window"))
    found = cut_out_lungs(picture.grey.astype(np.float32))
    assert found is not None and dice(found, picture.lungs) > 0.95
    mask = mask_of(picture)
    assert dice(mask, picture.lungs) > 0.95
    assert kept(picture, mask) == (0, 0), "no whole image, and no segmented one without it"


@pytest.mark.parametrize("background", [0, 40, 128, 200, 255])
def test_lungs_that_are_cut_out_are_recognised_on_any_grey(background: int) -> None:
    picture = cut_out(middle_picture("lung window"))
    grey = np.where(picture.grey == 0, background, picture.grey).astype(np.float32)
    found = cut_out_lungs(grey)
    assert found is not None and dice(found, picture.lungs) > 0.95
    assert is_cut_out(grey / 255)
    large = grey.repeat(3, axis=0).repeat(3, axis=1)[1:, 1:]
    division = divide(large)
    assert division is not None and division.cut_out
    assert dice(division.lungs, picture.lungs.repeat(3, axis=0).repeat(3, axis=1)[1:, 1:]) > 0.95


@pytest.mark.parametrize("grey", [60, 128, 255])
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_on_a_page_of_one_grey_is_not_called_cut_out(kind: str, grey: int) -> None:
    plane = middle_picture(kind).grey.astype(np.float32)
    assert cut_out_lungs(np.pad(plane, 30, constant_values=grey)) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (2, 90)])
def test_a_line_of_pixels_and_what_is_no_number_are_not_divided(shape: tuple[int, int]) -> None:
    line = np.linspace(0, 1, shape[0] * shape[1]).reshape(shape)
    torn = middle_picture("lung window").grey / 255
    torn[40, 40] = np.nan
    for image in (line, torn):
        assert divide(image) is None and cut_out_lungs(image) is None
        assert on_usual_scale(image) is image
    mask = np.zeros((1, *shape), dtype=bool)
    for masks in (None, mask, ~mask):
        (scores,) = volume_scores(line[np.newaxis], masks, 0.75, 0.5, known_window=False)
        assert (scores["air_fraction"], scores["cut_out"]) == (0, 0)


@pytest.mark.parametrize("kind", KINDS)
def test_no_other_picture_is_called_cut_out(kind: str) -> None:
    assert cut_out_lungs(middle_picture(kind).grey.astype(np.float32)) is None


def test_a_large_picture_is_divided_as_its_small_copy_is() -> None:
    picture = middle_picture("cropped around the lungs")
    plane = picture.grey.T.astype(np.float32)
    small, large = divide(plane), divide(plane.repeat(3, axis=0).repeat(3, axis=1))
    assert small is not None and large is not None
    assert dice(small.lungs.repeat(3, axis=0).repeat(3, axis=1), large.lungs) > 0.97


def test_nothing_dark_is_enclosed() -> None:
    assert divide(np.full((40, 40), 0.4, np.float32)) is None
    bright = np.full((64, 64), 200, np.float32)
    bright[:10] = 0
    assert divide(bright) is None, "air above the body"


def test_padding_is_black_in_the_corners_and_the_white_margin() -> None:
    plane = np.full((60, 80), 0.4, np.float32)
    plane[20:30, 20:30] = 0  # black, but inside
    plane[50, 70] = 1
    assert not padding_of(plane).any()
    plane[:12, :12] = 0
    assert 130 <= padding_of(plane).sum() <= 144  # the opening rounds a corner
    page = np.pad(plane, 8, constant_values=1)
    margin = np.pad(np.zeros_like(plane, dtype=bool), 8, constant_values=True)
    assert padding_of(page)[margin].all()
    assert not padding_of(page)[28:38, 28:38].any()


def test_where_lung_is_black_the_level_is_just_above_black() -> None:
    plane = np.full((60, 80), 0.5, np.float32)
    plane[:, 40:] = 1
    plane[10:40, 10:30] = 0
    (level,) = levels_of(plane, np.zeros(plane.shape, dtype=bool))
    assert level == pytest.approx(0.06)
