"""Values that cannot be HU of a chest are named for what they are; scans of a body pass, however they are cut."""

import numpy as np
import pytest
from PIL import Image

from lungsight.config import config_schema, with_defaults
from lungsight.demo.anatomy import thorax
from lungsight.errors import BadCase
from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import TableRow
from lungsight.intake.hounsfield import sampled
from lungsight.intake.plausibility import (
    Doubt,
    doubts_about_hounsfield,
    doubts_about_picture,
    doubts_about_unit_values,
    settle,
)
from tests.factories.dicom import made_hu, made_series, save_series

RNG = np.random.default_rng(6)
CHEST = np.moveaxis(thorax(3, matrix=128, slices=6).hu, 2, 0) + RNG.normal(0, 12, (6, 128, 128))
ROWS, COLUMNS = np.indices(CHEST.shape[1:])
OUTSIDE = (ROWS - 64) ** 2 + (COLUMNS - 64) ** 2 > 63**2


def ringed(hu, value):
    """Pad what lies outside a round field of view."""
    return np.where(OUTSIDE, value, hu)


def windowed(hu):
    return np.rint((np.clip(hu, -1250, 250) + 1250) / 1500 * 255)


def doubts(hu):
    return doubts_about_hounsfield([sampled(plane) for plane in np.rint(hu)])


GOOD = {
    "chest": CHEST,
    "one slice": CHEST[3:4],
    "padding −2000": ringed(CHEST, -2000),
    "padding −3024": ringed(CHEST, -3024),
    "padding −2000 after lossy compression": ringed(CHEST, -2000)
    + np.where(OUTSIDE, RNG.normal(0, 10, CHEST.shape), 0),
    "padding like air": ringed(CHEST, -1024),
    "clipped to a window": np.clip(CHEST, -1000, 400),
    "clipped to a lung window": np.clip(CHEST, -1250, 250),
    "cropped to the body": CHEST[:, 40:88, 30:98],
    "metal": np.where((ROWS - 60) ** 2 + (COLUMNS - 70) ** 2 < 9, 3071, CHEST),
    "noise": CHEST + RNG.normal(0, 80, CHEST.shape),
    "no lung": np.where((CHEST > -950) & (CHEST < -400), 40, CHEST),
    "table and air only above and below": np.concatenate([np.full((4, 128, 128), -1000.0), CHEST]),
    "contrast": np.where((CHEST > 0) & (COLUMNS > 50) & (COLUMNS < 60), 400, CHEST),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_scans(name):
    assert doubts(GOOD[name]) == []


SPOILED = {
    "HU + 1024": [
        CHEST + 1024,
        np.maximum(CHEST + 1024, 0),
        CHEST + 1000,
        ringed(CHEST, -2000) + 1024,
        CHEST[2:3] + 1024,
        ringed(CHEST + 1024, -2000),
    ],
    "applied twice": [CHEST - 1024, ringed(CHEST, -2000) - 1024, CHEST - 1000, CHEST[2:3] - 1024],
    "wrapped": [np.where(CHEST < 0, CHEST + 4096, CHEST), np.where(CHEST < 0, CHEST + 4096, CHEST) - 1024],
    "windowed 8-bit picture": [windowed(CHEST), windowed(CHEST) + 1024],
    "the values span": [windowed(CHEST) - 1024, windowed(CHEST) - 128, ringed(windowed(CHEST), -2000), CHEST / 10],
    "binary mask": [CHEST > -300, 255 * (CHEST > -300), 1000 * (CHEST > -300) - 1000],
    "label map": [np.digitize(CHEST, [-700, -200, 200]), 10 * np.digitize(CHEST, [-700, -200, 200]) - 1000],
    "one value": [np.zeros_like(CHEST), np.full_like(CHEST, -1000)],
    "subtraction": [
        RNG.normal(3, 35, CHEST.shape) + 400 * (CHEST > 60),
        RNG.normal(0, 9, CHEST.shape) + 400 * (CHEST > 60),
        RNG.normal(0, 9, CHEST.shape),
    ],
    "inverted": [-CHEST, ringed(-CHEST, -2000)],
    "PixelPaddingValue": [ringed(CHEST, 3071), ringed(CHEST, 31743)],
}


@pytest.mark.parametrize(
    ("word", "hu"), [pytest.param(word, hu, id=f"{word}-{n}") for word in SPOILED for n, hu in enumerate(SPOILED[word])]
)
def test_spoiled_scans(word, hu):
    (doubt,) = doubts(np.asarray(hu, float))
    assert word in doubt.words and doubt.certain


def test_a_scan_without_any_air_is_noted_and_stays():
    body = np.clip(RNG.normal(30, 60, (6, 128, 128)), -150, 400) + 500 * (RNG.random((6, 128, 128)) < 0.02)
    (doubt,) = doubts(body)
    assert not doubt.certain and "no air" in doubt.words


def test_volumes_in_unit_values():
    assert doubts_about_unit_values([windowed(plane) / 255 for plane in CHEST]) == []
    for few in (np.zeros((4, 8, 8)), (CHEST > 0).astype(float)):
        assert doubts_about_unit_values(list(few))[0].certain


PICTURE = windowed(CHEST[3]).astype(np.uint8)


def test_good_pictures():
    turned = {"whole": PICTURE, "cropped": PICTURE[40:88, 30:98], "soft window": np.clip(PICTURE, 180, 250)}
    for name, picture in turned.items():
        assert doubts_about_picture(picture) == [], name
    assert doubts_about_picture(PICTURE, bits=16) == []


@pytest.mark.parametrize(
    ("picture", "bits", "word", "certain"),
    [
        (np.full((64, 64), 77), 8, "one value", True),
        (np.full((1, 1), 77), 8, "1 × 1 pixels", True),
        (np.where(PICTURE > 100, 255, 0), 8, "binary mask", True),
        ((CHEST[3] + 32768) * 255 // 65535, 16, "16 bits", True),
        ((CHEST[3] + 1024) * 255 // 65535, 16, "16 bits", True),
        (np.where(OUTSIDE, 0, (CHEST[3] + 32768) * 255 // 65535), 16, "16 bits", True),
        (PICTURE // 5, 16, "16 bits", True),
        (255 - PICTURE, 8, "inverted", False),
        (PICTURE // 25 * 25, 8, "grey levels", False),
        (PICTURE // 25 * 25, 16, "grey levels", False),
    ],
)
def test_spoiled_pictures(picture, bits, word, certain):
    (doubt,) = doubts_about_picture(picture.astype(np.uint8), bits)
    assert word in doubt.words and doubt.certain == certain


def test_real_scans_and_pictures_pass(real_ct):
    """The public scans, one of them with RescaleIntercept 0, which is right."""
    from benchmarks.plausibility import pictures_below, scans_below

    scans = [scan for name in ("lung_dx_A0002", "sbu") for scan in scans_below(real_ct / name)]
    pictures = list(pictures_below(real_ct / "soares_png"))
    assert len(scans) == 5 and len(pictures) == 120
    assert [doubts_about_hounsfield(scan) for scan in scans] == [[]] * 5
    assert [
        doubts_about_hounsfield([plane]) for scan in scans for plane in scan if doubts_about_hounsfield([plane])
    ] == []
    assert [doubts_about_picture(picture) for picture in pictures] == [[]] * 120


def test_the_config_says_what_a_doubt_does():
    certain, odd = Doubt("not HU"), Doubt("no air", certain=False)
    with pytest.raises(BadCase, match=r"not HU \(intake.plausibility\)"):
        settle([odd, certain], "refuse")
    assert settle([odd], "refuse") == ["no air"]
    assert settle([odd, certain], "note") == ["no air", "not HU"]
    assert settle([odd, certain], "off") == []


@pytest.mark.parametrize(("how", "status"), [("refuse", "rejected"), ("note", "ok"), ("off", "ok")])
def test_dicom_series_and_pictures(tmp_path, how, status):
    save_series(tmp_path / "series", [*made_series(made_hu() + 1024)])
    Image.fromarray((CHEST[3] + 32768).astype(np.uint16)).save(tmp_path / "deep.png")
    settings = with_defaults({"plausibility": how}, config_schema()["properties"]["intake"])
    for format, path in (("dicom", "series"), ("png", "deep.png")):
        intake = Intake("hospital", format, tmp_path, 5, settings, b"key")
        row = TableRow(1, "P", path, "Covid-19", "", "", "")
        (case,), _ = convert_shard([row], intake, Folders(tmp_path / "out" / format))
        assert case["status"] == status
        assert bool(case["reason"]) == (how != "off")


def test_what_a_sound_scan_may_look_like_is_noted_and_stays():
    lung_alone = np.where((CHEST > -950) & (CHEST < -600), CHEST, -1000)
    for hu, word in ((lung_alone, "no soft tissue"), (CHEST + 400, "nothing is as dark as air")):
        (doubt,) = doubts(hu)
        assert word in doubt.words and not doubt.certain


ODD = {
    "below air and above padding": [2 * CHEST, CHEST - 600],
    "the corners hold": [ringed(CHEST, 0), ringed(CHEST, 1024)],
    "brighter than soft tissue": [(CHEST + 1024) * 1.6 - 1024, ringed((CHEST + 1024) * 1.5 - 1024, -2000)],
}


@pytest.mark.parametrize(
    ("word", "hu"), [pytest.param(word, hu, id=f"{word}-{n}") for word in ODD for n, hu in enumerate(ODD[word])]
)
def test_values_that_lie_at_odd_places_are_noted(word, hu):
    (doubt,) = doubts(hu)
    assert word in doubt.words and not doubt.certain


def test_bone_and_soft_tissue_cut_out_of_air_are_no_shifted_hu():
    """A head within clipped air: nothing but the constant around it is dark, and its skull is dense."""
    head = np.where((ROWS - 64) ** 2 + (COLUMNS - 64) ** 2 < 40**2, 35.0, -1024.0)
    ring = abs(np.hypot(ROWS - 64, COLUMNS - 64) - 38) < 2
    scalp = abs(np.hypot(ROWS - 64, COLUMNS - 64) - 44) < 4
    head = np.where(scalp, -90, np.where(ring, 1100, head))
    assert doubts(np.stack([head] * 6) + np.where(head > -1000, RNG.normal(0, 10, (6, 128, 128)), 0)) == []
