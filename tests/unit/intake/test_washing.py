"""Washings on pictures of known making: the trace that tells two kinds apart before tells nothing afterwards."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from lungsight.config import config_schema
from lungsight.intake.forensics.marks import mark_pixels, marks_outside
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.traces import BY_NAME
from lungsight.intake.forensics.washing import BRIGHT, DARK, LEVEL_STEP, WASHINGS, washed
from tests.factories.tables import disc

SIZE, PAIRS = 192, 8


def chest(seed, noise=3.0):
    """A body with two lungs in air; shape and noise differ from seed to seed."""
    rng = np.random.default_rng(seed)
    image = np.full((SIZE, SIZE), 40.0)
    image[disc(SIZE, 0.5, 0.5, 0.34 + 0.02 * rng.random(), 0.42 + 0.02 * rng.random())] = 180
    for column in (0.32, 0.68):
        image[disc(SIZE, 0.5, column, 0.22 + 0.03 * rng.random(), 0.13)] = 70
    return ndimage.gaussian_filter(image, 0.8) + rng.normal(0, noise, image.shape)


def grey(image):
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def compressed(image):
    buffer = io.BytesIO()
    Image.fromarray(grey(image)).save(buffer, "JPEG", quality=60)
    return np.asarray(Image.open(buffer))


def resampled(image):
    large = Image.fromarray(grey(image)).resize((round(1.1 * SIZE),) * 2, Image.Resampling.BILINEAR)
    return np.asarray(large)[:SIZE, :SIZE]


def windowed(image):
    return grey(1.15 * image)


def noisy(image):
    return grey(image + np.random.default_rng(9).normal(0, 5, image.shape))


def lettered(image):
    picture = Image.fromarray(grey(image))
    ImageDraw.Draw(picture).text((4, 4), "R 7", fill=255)
    return np.asarray(picture)


def bordered(image):
    framed = grey(image)
    framed[:9], framed[-9:], framed[:, :9], framed[:, -9:] = 0, 0, 0, 0
    return framed


PLANTED = {
    "borders": (bordered, "border"),
    "letters": (lettered, "marks"),
    "compression": (compressed, "blockiness"),
    "resolution": (resampled, "resampling_frequency"),
    "grey_levels": (windowed, "grey_levels"),
    "noise": (noisy, "noise_air"),
}


def auc_of(trace, with_it, without):
    """AUC of the trace between two lists of pictures, in the better direction; what cannot be measured counts as −1."""
    measured = [BY_NAME[trace].measure(Pixels(image)) for image in (*with_it, *without)]
    values = [-1.0 if value is None else float(value) for value in measured]
    area = roc_auc_score([1] * len(with_it) + [0] * len(without), values)
    return max(area, 1 - area)


def test_the_config_offers_every_washing_in_order():
    offered = config_schema()["properties"]["intake"]["properties"]["harmonise"]["properties"]
    assert list(offered) == list(WASHINGS)
    assert all(trace in BY_NAME for washing in WASHINGS.values() for trace in washing.traces)


@pytest.mark.parametrize("name", PLANTED)
def test_a_trace_that_told_two_kinds_apart_is_washed_out(name):
    plant, trace = PLANTED[name]
    planted = [plant(chest(seed)) for seed in range(PAIRS)]
    others = [grey(chest(seed)) for seed in range(PAIRS, 2 * PAIRS)]
    assert auc_of(trace, planted, others) > 0.95
    wash = WASHINGS[name].wash
    assert auc_of(trace, [*map(wash, planted)], [*map(wash, others)]) < 0.75


@pytest.mark.parametrize("name", WASHINGS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 90), (40, 3), (64, 48)])
def test_a_washing_keeps_shape_and_type_and_is_repeatable(name, shape):
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    before = image.copy()
    for picture in (image, np.full_like(image, 7)):
        found = WASHINGS[name].wash(picture)
        assert (found.shape, found.dtype) == (shape, np.uint8)
        np.testing.assert_array_equal(found, WASHINGS[name].wash(picture))
    np.testing.assert_array_equal(image, before)


def test_geometry_stays():
    """The body's outline after all washings is that before, to a pixel or two."""
    image = grey(chest(1))
    before, after = image > 120, washed(image, WASHINGS) > (DARK + BRIGHT) / 2
    assert 2 * (before & after).sum() / (before.sum() + after.sum()) > 0.98


def test_air_and_tissue_get_the_same_grey_in_any_window():
    for image in (grey(chest(1)), windowed(chest(1))):
        found = WASHINGS["grey_levels"].wash(image)
        assert not (found % LEVEL_STEP).any()
        body = Pixels(found)
        assert np.median(body.coarse[body.coarse > body.threshold]) == pytest.approx(BRIGHT, abs=LEVEL_STEP)
        assert np.median(body.coarse[body.coarse <= body.threshold]) == pytest.approx(DARK, abs=LEVEL_STEP)


def test_marks_are_where_they_were_drawn():
    image = lettered(chest(2))
    drawn = image != grey(chest(2))
    found = mark_pixels(Pixels(image))
    assert marks_outside(Pixels(image)) >= 2
    assert (found & drawn).sum() == found.sum() > 20
    assert mark_pixels(Pixels(np.zeros((64, 64), np.uint8))) is None


def test_washings_are_applied_in_their_own_order():
    image = lettered(chest(3))
    expected = WASHINGS["noise"].wash(WASHINGS["letters"].wash(image))
    np.testing.assert_array_equal(washed(image, ["noise", "letters"]), expected)
    np.testing.assert_array_equal(washed(image, []), image)
