"""Filled contours, against formulas and against matplotlib's point test."""

import numpy as np
import pytest
from matplotlib.path import Path as Outline
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from lungsight.config import config_schema
from lungsight.errors import BadCase
from lungsight.intake.contours import (
    Contour,
    choose_regions,
    fill,
    fill_rings,
    matches,
    off_slices,
    rasterise,
    read_regions,
)
from tests.factories.dicom import FRAME, made_rtstruct, uid

SHAPE = (60, 50, 6)
AFFINE = np.array([[0.7, 0, 0, -20], [0, 1.1, 0, -25], [0, 0, 2.5, 40], [0, 0, 0, 1.0]])
ROI_NAMES = {
    "left": ["lung[-_ ]?(left|lt|l)", "(left|lt|l)[-_ ]?lung"],
    "right": ["lung[-_ ]?(right|rt|r)", "(right|rt|r)[-_ ]?lung"],
    "both": ["lungs?[-_ ]?total"],
    "tumour": ["gtv.*"],
}


def ring(x, y, radius, z, points=400):
    """A circle in mm, RAS, as LPS contour points (n, 3)."""
    angle = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return np.column_stack([-(x + radius * np.cos(angle)), -(y + radius * np.sin(angle)), np.full(points, z)])


def distance(x, y):
    """Distance in mm of every pixel centre of a slice from (x, y) in RAS."""
    i, j = np.indices(SHAPE[:2])
    return np.hypot(i * 0.7 - 20 - x, j * 1.1 - 25 - y)


def assert_is_disc(mask, inside, sure=0.05):
    """Equal to a signed distance's sign but for pixel centres on the outline."""
    clear = np.abs(inside) > sure
    np.testing.assert_array_equal(mask[clear], inside[clear] > 0)


def slices_of(contours, geometric_type="CLOSED_PLANAR"):
    return rasterise([Contour(points, geometric_type) for points in contours], SHAPE, AFFINE)


def test_disc_on_non_square_pixels_lies_where_the_formula_says():
    mask = slices_of([ring(2, 3, 12, 45)])
    assert [int(plane.sum()) > 0 for plane in np.moveaxis(mask, 2, 0)] == [False, False, True, False, False, False]
    assert_is_disc(mask[:, :, 2], 12 - distance(2, 3))
    assert mask[:, :, 2].sum() * 0.7 * 1.1 == pytest.approx(np.pi * 144, rel=0.02)


@pytest.mark.parametrize("geometric_type", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
def test_annulus_with_an_island(geometric_type):
    mask = slices_of([ring(0, 0, 4, 40), ring(0, 0, 16, 40), ring(0, 0, 10, 40)], geometric_type)[:, :, 0]
    d = distance(0, 0)
    assert_is_disc(mask, np.where(d > 13, 16 - d, np.where(d > 7, d - 10, 4 - d)))


def test_overlapping_rings_are_united_or_exclusive():
    rings = [ring(-4, 0, 8, 40), ring(4, 0, 8, 40)]
    first, second = 8 - distance(-4, 0), 8 - distance(4, 0)
    assert_is_disc(slices_of(rings)[:, :, 0], np.maximum(first, second))
    both = np.minimum(np.abs(first), np.abs(second)) * np.where((first > 0) != (second > 0), 1, -1)
    assert_is_disc(slices_of(rings, "CLOSEDPLANAR_XOR")[:, :, 0], both)


def test_two_holes_side_by_side():
    mask = slices_of([ring(0, 0, 16, 40), ring(-7, 0, 5, 40), ring(7, 0, 5, 40)])[:, :, 0]
    d = np.minimum(16 - distance(0, 0), np.minimum(distance(-7, 0) - 5, distance(7, 0) - 5))
    assert_is_disc(mask, d)


def test_a_repeated_ring_counts_once():
    once = slices_of([ring(0, 0, 9, 40)])
    np.testing.assert_array_equal(slices_of([ring(0, 0, 9, 40), ring(0, 0, 9, 40)]), once)


def test_keyhole_contour_leaves_no_trace_of_its_channel():
    outer, inner = ring(0, 0, 16, 40), ring(0, 0, 8, 40)[::-1]
    keyhole = np.concatenate([outer, outer[:1], inner[-1:], inner])
    d = distance(0, 0)
    assert_is_disc(slices_of([keyhole])[:, :, 0], np.minimum(16 - d, d - 8))


def test_filling_agrees_with_a_second_implementation():
    rng = np.random.default_rng(11)
    i, j = np.indices((40, 33))
    centres = np.column_stack([i.ravel(), j.ravel()])
    for _ in range(20):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 15))
        radius = rng.uniform(4, 22, 15)  # partly outside the grid
        polygon = np.column_stack([20 + radius * np.cos(angle), 16 + radius * np.sin(angle)])
        peer = Outline(np.vstack([polygon, polygon[:1]]), closed=True).contains_points(centres).reshape(40, 33)
        np.testing.assert_array_equal(fill([polygon], (40, 33)), peer)


def test_neighbours_share_no_pixel_and_leave_none_out():
    left = np.array([[0, 0], [0, 5], [10, 5], [10, 0]], float)
    right = left + np.array([0, 5])
    both = fill([left], (10, 10)).astype(int) + fill([right], (10, 10))
    assert (both == 1).all()


def test_points_and_lines_are_skipped_and_open_contours_refused():
    point = Contour(ring(0, 0, 5, 40)[:1], "POINT")
    line = Contour(ring(0, 0, 5, 40)[:2], "CLOSED_PLANAR")
    assert not rasterise([point, line], SHAPE, AFFINE).any()
    with pytest.raises(BadCase, match="OPEN_PLANAR"):
        rasterise([Contour(ring(0, 0, 5, 40), "OPEN_PLANAR")], SHAPE, AFFINE)


@pytest.mark.parametrize(("z", "k"), [(41.0, 0), (38.8, 0), (53.7, 5), (38.7, None), (53.8, None)])
def test_contours_may_be_half_a_slice_off(z, k):
    if k is None:
        with pytest.raises(BadCase, match="half a slice off"):
            slices_of([ring(0, 0, 9, z)])
    else:
        assert slices_of([ring(0, 0, 9, z)])[:, :, k].any()


def test_a_contour_across_slices_is_refused():
    tilted = ring(0, 0, 9, 45)
    tilted[:, 2] += tilted[:, 0] * 0.3
    with pytest.raises(BadCase, match="half a slice off"):
        slices_of([tilted])


def test_of_two_planes_on_one_slice_the_nearest_counts():
    mask = slices_of([ring(0, 0, 6, 45.2), ring(0, 0, 12, 46)])[:, :, 2]
    assert_is_disc(mask, 6 - distance(0, 0))


def test_rings_outside_the_picture_are_cut():
    mask = slices_of([ring(-20, -25, 10, 40)])[:, :, 0]
    assert_is_disc(mask, 10 - distance(-20, -25))
    assert not slices_of([ring(-200, 0, 10, 40)]).any()


def test_fill_rings_without_polygons_is_empty():
    assert not fill_rings([], (4, 5)).any()


def test_a_pattern_matches_the_whole_name_in_any_case():
    assert matches("LUNG-Left", ROI_NAMES["left"]) and matches(" Lt Lung ", ROI_NAMES["left"])
    assert not matches("Lung-Left-old", ROI_NAMES["left"])


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["Lung-Left", "Lung-Right", "GTV-1"], {"left": [0], "right": [1], "tumour": [2]}),
        (["Lungs-Total", "Lung-Left", "Lung-Right"], {"left": [1], "right": [2], "tumour": []}),
        (["Lungs-Total", "Lung-Left"], {"both": [0], "tumour": []}),
        (["Lungs-GTV", "Lungs-Total", "GTV"], {"both": [1], "tumour": [2]}),
        (["Lungs-GTV", "Lung-Left", "GTV"], {"without_tumour": [0], "tumour": [2]}),
        (["Lung-Left", "Lung-Right", "Lung-Left"], {"left": [0, 2], "right": [1], "tumour": []}),
    ],
)
def test_left_and_right_else_both_else_without_the_tumour(names, chosen):
    assert choose_regions(names, ROI_NAMES | {"without_tumour": ["lungs-gtv"]}) == chosen


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["Lt Lung", "Heart"], "right lung not contoured"),
        (["Rt Lung"], "left lung not contoured"),
        (["Heart"], "no lung contoured"),
    ],
)
def test_a_missing_lung_is_named(names, reason):
    with pytest.raises(BadCase, match=f"^{reason}, or under a name that intake.roi_names does not know") as caught:
        choose_regions(names, ROI_NAMES)
    assert not any(name in str(caught.value) for name in names)
    assert caught.value.__notes__[0].splitlines()[1:] == names


def test_regions_are_read_by_name_and_frame_of_reference():
    dataset = made_rtstruct({"Lung-Left": [ring(0, 0, 5, 40), ring(0, 0, 5, 42.5)], "Lung-Right": []})
    (region,) = read_regions(dataset, FRAME)
    assert region.name == "Lung-Left" and len(region.contours()) == 2
    np.testing.assert_allclose(region.contours()[1].points, ring(0, 0, 5, 42.5), atol=1e-6)
    assert read_regions(dataset, "")
    with pytest.raises(BadCase, match="FrameOfReferenceUID"):
        read_regions(dataset, uid("another frame"))


def test_contours_of_one_region_in_two_items_stay_apart():
    """Else the inner version of a lung would be a hole in the outer one."""
    dataset = made_rtstruct({"Lung-Left": [ring(0, 0, 9, 40)], "other": [ring(0, 0, 5, 40)]})
    dataset.ROIContourSequence[1].ReferencedROINumber = 1
    assert [(region.name, len(region.items)) for region in read_regions(dataset, FRAME)] == [("Lung-Left", 1)] * 2


def test_two_names_under_one_number_are_refused():
    dataset = made_rtstruct({"Lung-Left": [ring(0, 0, 9, 40)], "Heart": [ring(0, 0, 5, 40)]})
    dataset.StructureSetROISequence[1].ROINumber = 1
    with pytest.raises(BadCase, match="two names"):
        read_regions(dataset, FRAME)


def cut(item):
    item.ContourData = list(item.ContourData)[:-1]


def halve(item):
    item.ContourData = list(item.ContourData)[: 3 * (len(item.ContourData) // 6)]


def break_number(item):
    item.ContourData = [*list(item.ContourData)[:-1], float("nan")]


def break_text(item):
    item["ContourData"] = RawDataElement(Tag("ContourData"), "DS", 7, b"Doe^Jan", 0, False, True)


@pytest.mark.parametrize(
    ("damage", "tag"),
    [(cut, "3006,0050"), (halve, "3006,0046"), (break_number, "3006,0050"), (break_text, "3006,0050")],
)
def test_damaged_contours_are_refused_where_they_are_wanted(damage, tag):
    dataset = made_rtstruct({"Lung-Left": [ring(0, 0, 5, 40)], "Heart": [ring(0, 0, 5, 40)]})
    damage(dataset.ROIContourSequence[1].ContourSequence[0])
    lung, heart = read_regions(dataset, FRAME)
    assert len(lung.contours()) == 1
    with pytest.raises(BadCase, match=tag):
        heart.contours()


def test_a_structure_set_without_lists_is_refused():
    dataset = made_rtstruct({"Lung-Left": [ring(0, 0, 5, 40)]})
    del dataset.StructureSetROISequence
    with pytest.raises(BadCase, match="RTSTRUCT is damaged"):
        read_regions(dataset, FRAME)


def test_interpolated_contours_enclose_an_area_and_unknown_types_are_not_quoted():
    np.testing.assert_array_equal(slices_of([ring(0, 0, 9, 40)], "INTERPOLATED_PLANAR"), slices_of([ring(0, 0, 9, 40)]))
    with pytest.raises(BadCase, match="of a contour is missing or unknown"):
        slices_of([ring(0, 0, 9, 40)], "DOE^JANE")


def test_the_distance_of_contours_from_the_slices():
    contours = [Contour(ring(0, 0, 9, z), "CLOSED_PLANAR") for z in (40, 42.6, 45)]
    assert off_slices(contours, AFFINE) == pytest.approx(0.04)
    assert off_slices([*contours, Contour(ring(0, 0, 9, 43.6), "CLOSED_PLANAR")], AFFINE) == pytest.approx(0.44)
    assert off_slices([], AFFINE) == 0


DEFAULT = config_schema()["properties"]["intake"]["properties"]["roi_names"]["properties"]


@pytest.mark.parametrize(
    ("region", "names"),
    [
        ("left", ["Lung_L", "LUNG LT", "Lt. Lung", "Lung, left", "L Lung", "Lunge links", "linker Lungenflügel"]),
        (
            "left",
            ["poumon gauche", "Poumon_G", "pulmón izq", "Pulmon izquierdo", "polmone sx", "pulmão esquerdo", "左肺"],
        ),
        ("left", ["Lung_L_1", "Lung (L)", "lungs l", "Lung [left]", "Lunge (li)", "Left Lungs", "poumon (g)"]),
        ("right", ["Lung_R_2", "Lung(R)", "lungs rt", "Lunge (re.)"]),
        ("both", ["Lung Tot", "Lungen bds.", "Lunge bds", "Bilat lung", "L+R lung", "Lung L+R", "Lungs (L & R)"]),
        ("without_tumour", ["lung_total-gtv", "Lungs-ITV", "Lungs (-GTV)", "Bilat Lung - GTV"]),
        ("right", ["Lung_R", "Rt Lung", "Lunge rechts", "poumon droit", "pulmón der", "polmone destro", "右肺"]),
        (
            "both",
            ["Lung", "Lungs", "Total_Lung", "Lungs_Total", "both lungs", "Lunge", "poumons", "polmoni"],
        ),
        ("without_tumour", ["Lungs-GTV", "Lung minus GTV", "Lungs - IGTV", "Total Lung-GTV", "Lunge-GTV"]),
        ("tumour", ["GTV", "gtv1", "Tumor", "Neoplasm, Primary"]),
    ],
)
def test_default_names_know_other_words_and_languages(region, names):
    patterns = {name: entry["default"] for name, entry in DEFAULT.items()}
    for name in names:
        assert [known for known in patterns if matches(name, patterns[known])] == [region], name


@pytest.mark.parametrize(
    "name",
    [
        "Lung_L-GTV",
        "Lungs-PTV",
        "Lungs-CTV",
        "zLungs",
        "Lung_L_old",
        "Lung_LR_old",
        "Lung 2",
        "Along",
        "Heart",
        "Lung V20",
        "long",
    ],
)
def test_default_names_do_not_take_what_is_no_whole_lung(name):
    assert not any(matches(name, entry["default"]) for region, entry in DEFAULT.items() if region != "tumour")
