"""Pre-training without labels: its loss by formula and finite differences, collapse on purpose, and going on."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training import backbones, simsiam
from lungsight.training.adam import prepared
from lungsight.training.augmentation import no_augmentation
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.labelled_images import JoinedImages, LabelledImages
from lungsight.training.linear_probe import probe_rows
from lungsight.training.sgd import Sgd
from lungsight.training.simsiam import Siamese, deviation, negative_cosine, pretrain, rates_of_epoch
from lungsight.training.views import Views, cropped, draw_views, show
from tests.unit.training.test_fit import killed_after_a_checkpoint, without_seconds

SIZE = 16
BACKBONE = backbones.load("small_cnn")
VIEWS = {
    **{"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "crop": [0.2, 1.0]},
    **{"brightness": [0.6, 1.4], "contrast": [0.6, 1.4], "blur": 0.01},
}
SETTINGS = {
    **{"image_size": SIZE, "precision": "float32", "batch_norm_momentum": 0.5, "projector": 32, "predictor": 8},
    **{"epochs": 2, "batch_size": 8, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4},
    "augmentation": VIEWS,
}
# A rate at which it collapses soon without the stopped gradient, whatever the rounding of a processor.
COLLAPSING = {"epochs": 60, "learning_rate": 30.0}


def images(n: int = 20) -> JoinedImages:
    """Two cohorts whose images hold discs of some sizes and places on noise."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60, (n, SIZE, SIZE)).astype(np.uint8)
    row, column = np.indices((SIZE, SIZE))
    for number, image in enumerate(pixels):
        place, radius = rng.uniform(4, 12, 2), 2 + 3 * (number % 2)
        image[(row - place[0]) ** 2 + (column - place[1]) ** 2 < radius**2] += 150
    labels, patients = np.arange(n) % 2, np.arange(n) // 2
    half = n // 2
    return JoinedImages(
        tuple(
            LabelledImages(pixels, rows, labels[rows], patients[rows]) for rows in (np.arange(half), np.arange(half, n))
        )
    )


def shown(pixels: np.ndarray, views: Views) -> np.ndarray:
    return show(tf.constant(pixels), tuple(map(tf.constant, views))).numpy()


def new(**changed: object) -> Siamese:
    keras.utils.set_random_seed(3)
    return Siamese.of(BACKBONE, SETTINGS | changed)


def pairs(seed: int = 0, shape: tuple[int, int] = (5, 7)) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(size=(2, *shape)))


def test_images_of_cohorts_are_numbered_one_after_the_other() -> None:
    joined = images()
    both = np.concatenate([part.batch(np.arange(len(part)))[0] for part in joined.parts])
    assert len(joined) == 20
    np.testing.assert_array_equal(joined.at(np.array([9, 10, 0, 19])), both[[9, 10, 0, 19]])


def test_the_loss_is_minus_the_cosine() -> None:
    predicted, target = pairs()
    cosine = np.sum(predicted * target, axis=1) / np.linalg.norm(predicted, axis=1) / np.linalg.norm(target, axis=1)
    assert float(negative_cosine(tf.constant(predicted), tf.constant(target))) == pytest.approx(
        -cosine.mean(), rel=1e-6
    )


def test_the_gradient_stops_at_the_target_and_follows_the_prediction() -> None:
    predicted, target = (tf.Variable(tf.constant(each, tf.float32)) for each in pairs())
    with tf.GradientTape() as tape:
        loss = negative_cosine(predicted, target)
    of_predicted, of_target = tape.gradient(loss, [predicted, target])
    assert of_target is None

    def at(values: np.ndarray) -> float:
        aim = target.numpy().astype(float)
        return -float(np.mean(np.sum(values * aim, 1) / np.linalg.norm(values, axis=1) / np.linalg.norm(aim, axis=1)))

    values, step = predicted.numpy().astype(float), 1e-6
    for place in np.ndindex(values.shape):
        moved = np.zeros_like(values)
        moved[place] = step
        slope = (at(values + moved) - at(values - moved)) / (2 * step)
        assert float(tf.convert_to_tensor(of_predicted)[place]) == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_the_deviation_tells_spread_outputs_from_equal_ones() -> None:
    rng = np.random.default_rng(1)
    assert float(deviation(tf.constant(rng.normal(size=(4000, 25))))) == pytest.approx(1 / 5, rel=0.02)
    equal = rng.normal(size=25) * rng.uniform(1, 3, (40, 1))
    assert float(deviation(tf.constant(equal))) == pytest.approx(0.0, abs=1e-6)
    few = rng.normal(size=(6, 3))
    expected = np.std(few / np.linalg.norm(few, axis=1, keepdims=True), axis=0).mean()
    assert float(deviation(tf.constant(few))) == pytest.approx(expected, rel=1e-5)


def test_the_optimizer_follows_its_formula() -> None:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    weights = np.array([[1.0], [-2.0]])
    model.set_weights([weights])
    optimizer = prepared(Sgd(0.9, 0.1), model)
    sums = np.zeros_like(weights)
    for rate, gradient in ((0.5, [[1.0], [2.0]]), (0.1, [[-1.0], [0.5]])):
        optimizer.learning_rate = rate
        optimizer.apply([tf.constant(gradient)])
        sums = 0.9 * sums + np.array(gradient) + 0.1 * weights
        weights = weights - rate * sums
    np.testing.assert_allclose(model.get_weights()[0], weights, rtol=1e-6)


def test_the_rate_falls_along_half_a_cosine() -> None:
    settings = SETTINGS | {"epochs": 5}
    rates = [rate for epoch in range(1, 6) for rate in rates_of_epoch(20, settings, epoch)]
    start = 0.05 * 8 / 256
    np.testing.assert_allclose(rates, [start * 0.5 * (1 + np.cos(np.pi * step / 15)) for step in range(15)])


def test_layers_are_those_of_the_paper() -> None:
    model = new(projector=2048, predictor=512).model
    names = [layer.name for layer in model.layers if layer.name.startswith(("projector", "predictor"))]
    assert names == [
        *("projector1", "projector1_bn", "projector1_relu", "projector2", "projector2_bn", "projector2_relu"),
        *("projector3", "projector3_bn", "predictor1", "predictor1_bn", "predictor1_relu", "predictor2"),
    ]
    assert [tuple(output.shape) for output in model.outputs] == [(None, 2048)] * 2
    assert model.get_layer("predictor1").units == 512


def test_a_crop_shows_its_part_of_the_image() -> None:
    image = np.add.outer(10.0 * np.arange(8), np.arange(8)).astype(np.float32)
    plain, _ = no_augmentation(1)
    transforms = cropped(plain, np.array([[0.5], [0.25]]), np.array([[2.0], [4.0]]))
    found = shown(image[None], Views(transforms, *np.array([[1], [1], [0]], np.float32)))[0]
    # Columns 2-6 and rows 4-6 fill the whole; in between the plane is linear, and at the rim the nearest pixel holds.
    places = (np.arange(8) + 0.5) * 0.5 + 2 - 0.5, (np.arange(8) + 0.5) * 0.25 + 4 - 0.5
    np.testing.assert_allclose(found, np.add.outer(10 * places[1], places[0]), atol=1e-4)


def test_views_keep_to_their_ranges_and_differ() -> None:
    views = draw_views(np.random.default_rng(0), 400, SIZE, VIEWS)
    matrices = views.transforms[:, [0, 1, 3, 4]].reshape(-1, 2, 2).astype(float)
    areas = np.abs(np.linalg.det(matrices))
    assert areas.min() > 0.15 and areas.max() <= 1.0 + 1e-6
    assert abs(np.mean(np.linalg.det(matrices) < 0) - 0.5) < 0.1
    for changed, neutral in ((views.brightness, 1), (views.contrast, 1)):
        assert changed.min() >= 0.6 and changed.max() <= 1.4 and abs(np.mean(changed == neutral) - 0.2) < 0.07
    assert views.blur.min() >= 0 and views.blur.max() <= 0.01 * SIZE and abs(np.mean(views.blur == 0) - 0.5) < 0.1


def test_a_view_without_changes_is_the_image_and_contrast_keeps_the_mean() -> None:
    pixels = images().at(np.arange(3))
    plain, ones = no_augmentation(3)
    same = shown(pixels, Views(plain, ones, ones, 0 * ones))
    np.testing.assert_allclose(same, pixels, atol=1e-3)
    flat = shown(pixels, Views(plain, ones, 0.5 * ones, 0 * ones))
    np.testing.assert_allclose(flat.mean(axis=(1, 2)), pixels.mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(flat.std(axis=(1, 2)), 0.5 * pixels.std(axis=(1, 2)), rtol=1e-4)


def test_a_step_has_the_loss_of_both_views() -> None:
    """Against the networks called by hand, before the step moves them."""
    siamese, other = new(), new()
    pixels = images().at(np.arange(8))
    views = [draw_views(np.random.default_rng(seed), 8, SIZE, VIEWS) for seed in (0, 1)]
    outputs = [
        other.model(BACKBONE.preprocess(np.repeat(shown(pixels, each)[..., None], 3, -1)), training=True)
        for each in views
    ]
    (z_1, p_1), (z_2, p_2) = [[np.asarray(part) for part in pair] for pair in outputs]

    def cosine(one: np.ndarray, two: np.ndarray) -> float:
        return float(np.mean(np.sum(one * two, 1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)))

    step = simsiam.make_step(siamese, BACKBONE, prepared(Sgd(0.9, 0.0), siamese.model))
    loss, spread = step(tf.constant(pixels), *map(tf.constant, (*views[0], *views[1])), tf.constant(0.1))
    assert float(loss) == pytest.approx(-(cosine(p_1, z_2) + cosine(p_2, z_1)) / 2, abs=1e-4)
    assert float(spread) == pytest.approx(
        float(deviation(tf.constant(z_1)) + deviation(tf.constant(z_2))) / 2, rel=1e-3
    )
    assert any(
        np.any(one != two) for one, two in zip(siamese.base.get_weights(), other.base.get_weights(), strict=True)
    )


def test_it_learns_and_logs_the_deviation() -> None:
    siamese = new()
    history = pretrain(siamese, BACKBONE, images(), SETTINGS | {"epochs": 20, "learning_rate": 3.0}, seed=1)
    assert [row["epoch"] for row in history] == list(range(1, 21))
    assert history[-1]["loss"] < history[0]["loss"] - 0.1
    assert all(row["z_std_even"] == pytest.approx(32**-0.5) for row in history)
    assert all(0.3 < row["z_std"] * 32**0.5 < 1.01 for row in history)


def test_without_the_stop_of_the_gradient_it_collapses_and_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simsiam.tf, "stop_gradient", lambda values: values)
    settings = SETTINGS | COLLAPSING
    with pytest.raises(UserError, match=r"SimSiam collapsed in epoch \d+: .* hold nothing"):
        pretrain(new(), BACKBONE, images(), settings, seed=1)


def test_with_the_stop_the_same_training_does_not_collapse() -> None:
    settings = SETTINGS | COLLAPSING
    history = pretrain(new(), BACKBONE, images(), settings, seed=1)
    assert min(row["z_std"] for row in history) * 32**0.5 > 0.8


def test_constant_outputs_are_stopped() -> None:
    siamese = new()
    scale = siamese.model.get_layer("projector3_bn")
    scale.gamma.assign(tf.zeros(32))
    scale.beta.assign(tf.ones(32))
    with pytest.raises(UserError, match=r"SimSiam collapsed in epoch 1"):
        pretrain(siamese, BACKBONE, images(), SETTINGS | {"learning_rate": 1e-6}, seed=1)


def test_fewer_slices_than_a_batch_are_refused() -> None:
    with pytest.raises(UserError, match=r"a batch has 64 slices, and all training patients together have 20"):
        pretrain(new(), BACKBONE, images(), SETTINGS | {"batch_size": 64}, seed=1)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_one_that_was_killed_goes_on_with_the_same_numbers(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SETTINGS | {"precision": policy, "epochs": 3}
    undisturbed, killed, resumed = (new(precision=policy) for _ in range(3))
    expected = pretrain(undisturbed, BACKBONE, images(), settings, 5)
    checkpoint = Checkpoint.of(tmp_path, {"all": "that matters"})
    with killed_after_a_checkpoint(monkeypatch):
        pretrain(killed, BACKBONE, images(), settings, 5, checkpoint)
    found = pretrain(resumed, BACKBONE, images(), settings, 5, checkpoint)
    assert without_seconds(found) == without_seconds(expected)
    for one, other in zip(resumed.base.get_weights(), undisturbed.base.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {variable.dtype for variable in resumed.base.variables} == {"float32"}


def test_the_probe_tells_features_of_the_class_from_others() -> None:
    """Where brightness is the class, even random features tell it; where it is not, they do not."""
    siamese, rng = new(), np.random.default_rng(4)
    labels, patients = np.repeat(np.arange(12) % 2, 3), np.repeat(np.arange(12), 3)
    noise = rng.integers(0, 50, (36, SIZE, SIZE))
    bright = (noise + 150 * labels[:, None, None]).astype(np.uint8)
    cohorts = {
        name: LabelledImages(pixels, np.arange(36), labels, patients)
        for name, pixels in (("a", bright), ("b", noise.astype(np.uint8)))
    }
    first, second = probe_rows("random", siamese.encoder, BACKBONE, cohorts)
    assert (first["cohort"], first["slices"], first["patients"], first["chance"]) == ("a", 36, 12, 0.5)
    assert first["balanced_accuracy"] == 1.0 and second["balanced_accuracy"] < 0.8
