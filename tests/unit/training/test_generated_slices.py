"""Generators of slices: their networks, one step by hand, going on, copies, and how training mixes them in."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from lungsight.classes import Classes
from lungsight.errors import UserError
from lungsight.tables import write_table
from lungsight.training import dcgan
from lungsight.training.augmentation import generator
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.dcgan import Adversaries, build_discriminator, build_generator, make_step, to_range, train
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.generated import EVERY_CLASS, WithGenerated, read_generated, slices_of_class
from lungsight.training.image_cache import resize_image
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.memorisation import memorisation_row, nearest, share_nearer, sheet
from lungsight.training.treatment import Material, Treatment
from tests.factories.treatments import BACKBONE, SIZE, draw, material, new_model
from tests.unit.training.test_fit import killed_after_a_checkpoint, without_seconds

FILTERS = 2
SETTINGS = {"steps": 4, "batch": 6}


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(dcgan, "BLOCK", 2)
    yield


def slices(n: int = 10, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 64, 64), dtype=np.uint8)


def new(policy: str = "float32") -> Adversaries:
    keras.utils.set_random_seed(2)
    return Adversaries.of(FILTERS, policy)


def test_networks_are_those_of_the_paper() -> None:
    """64 x 64 from 100 numbers; batch normalisation but at the generator's output and the discriminator's input."""
    make, judge = build_generator(128), build_discriminator(128)
    assert (make.input_shape, make.output_shape) == ((None, 100), (None, 64, 64, 1))
    assert (judge.input_shape, judge.output_shape) == ((None, 64, 64, 1), (None, 1))
    kinds = [type(layer).__name__ for layer in make.layers if type(layer).__name__ not in ("Activation", "InputLayer")]
    hidden = ["BatchNormalization", "Conv2DTranspose"]
    assert kinds == ["Dense", "Reshape", *hidden * 4]
    outputs: list[Any] = [layer.output for layer in make.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    of_maps = [output.shape[1:] for output in outputs]
    assert of_maps == [(8, 8, 512), (16, 16, 256), (32, 32, 128), (64, 64, 1)]
    kinds = [type(layer).__name__ for layer in judge.layers]
    normal = ["Conv2D", "BatchNormalization", "LeakyReLU"]
    assert kinds == ["InputLayer", "Conv2D", "LeakyReLU", *normal * 3, "Flatten", "Dense"]
    assert {layer.negative_slope for layer in judge.layers if isinstance(layer, keras.layers.LeakyReLU)} == {0.2}
    kernels = [variable.numpy() for variable in judge.trainable_variables if variable.name == "kernel"]
    assert all(kernel.std() == pytest.approx(0.02, rel=0.05) for kernel in kernels[:4])


def test_both_optimizers_have_the_constants_of_the_paper() -> None:
    for optimizer in (new().of_generator, new().of_discriminator):
        assert (float(optimizer.learning_rate), optimizer.beta_1) == (pytest.approx(2e-4), 0.5)


def test_a_step_has_the_losses_of_the_game() -> None:
    """Against the networks called by hand: the discriminator before it moves, the generator behind that."""
    both, other = new(), new()
    real, noise = slices(6), np.random.default_rng(1).standard_normal((6, 100)).astype(np.float32)
    found = make_step(both)(tf.constant(real), tf.constant(noise))
    made = other.generator(noise, training=True)
    logits = [np.asarray(other.discriminator(each, training=True)) for each in (to_range(real), made)]
    expected = np.mean(np.log1p(np.exp(-logits[0]))) + np.mean(np.log1p(np.exp(logits[1])))
    assert float(found[0]) == pytest.approx(float(expected), rel=1e-3)
    assert float(found[2]) == np.mean(logits[0] > 0) and float(found[3]) == np.mean(logits[1] < 0)
    moved = [
        any(np.any(one != two) for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True))
        for ours, theirs in ((both.generator, other.generator), (both.discriminator, other.discriminator))
    ]
    assert moved == [True, True]
    other.discriminator.set_weights(both.discriminator.get_weights())
    judged = np.asarray(other.discriminator(made, training=True))
    assert float(found[1]) == pytest.approx(float(np.mean(np.log1p(np.exp(-judged)))), rel=1e-3)


@pytest.mark.parametrize("policy", ["mixed_float16"])
def test_one_that_was_killed_goes_on_with_the_same_numbers(
    policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed, killed, resumed, again = (new(policy) for _ in range(4))
    expected = train(undisturbed, slices(), SETTINGS, 5)
    checkpoint = Checkpoint.of(tmp_path, {"all": "that matters"})
    with killed_after_a_checkpoint(monkeypatch):
        train(killed, slices(), SETTINGS, 5, checkpoint)
    found = train(resumed, slices(), SETTINGS, 5, checkpoint)
    assert [row["step"] for row in found] == [2, 4]
    assert without_seconds(found) == without_seconds(expected)
    drawn = [each.draw(3, generator(7)) for each in (undisturbed, resumed)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    train(again, slices(), SETTINGS, 5, checkpoint)  # finished: nothing is trained once more
    np.testing.assert_array_equal(again.draw(3, generator(7)), drawn[0])


def test_a_class_with_fewer_slices_than_a_batch_is_refused() -> None:
    with pytest.raises(UserError, match=r"6 slices \(batch\), and this one has 5 training slices"):
        train(new(), slices(5), SETTINGS, 1)


def test_drawn_slices_are_the_generators_output() -> None:
    both = new()
    noise = generator(3).standard_normal((5, 100)).astype(np.float32)
    expected = np.rint((both.generator(noise, training=False).numpy()[..., 0] + 1) * 127.5)
    found = both.draw(5, generator(3), at_once=2)
    assert found.dtype == np.uint8
    np.testing.assert_allclose(found, expected, atol=1)


def test_the_nearest_slice_is_found() -> None:
    ones, among = slices(70), slices(5, seed=1)
    distances, places = nearest(ones, among)
    differences = np.sqrt(((ones[:, None].astype(float) - among[None]) ** 2).mean(axis=(2, 3)))
    np.testing.assert_allclose(distances, differences.min(axis=1), rtol=1e-9)
    np.testing.assert_array_equal(places, differences.argmin(axis=1))
    np.testing.assert_allclose(nearest(among, among)[0], 0, atol=1e-6)


def test_the_share_of_nearer_pairs_is_an_auc() -> None:
    rng = np.random.default_rng(2)
    ones, others = rng.integers(0, 9, 30).astype(float), rng.integers(2, 12, 20).astype(float)
    truth = np.repeat([0, 1], [30, 20])
    assert share_nearer(ones, others) == pytest.approx(roc_auc_score(truth, np.concatenate([ones, others])))


def test_copies_are_seen_and_new_slices_are_not() -> None:
    training, validation, new_ones = slices(20), slices(20, seed=1), slices(20, seed=2)
    copied = np.clip(training.astype(int) + 1, 0, 255).astype(np.uint8)
    row = memorisation_row("a", copied, training, validation)
    assert (row["nearer"], row["copies"]) == (1.0, 20)
    assert row["distance_generated"] < 1.1 < 50 < row["distance_validation"]
    row = memorisation_row("a", new_ones, training, validation)
    assert 0.3 < row["nearer"] < 0.7 and row["copies"] < 5
    assert row["spread_generated"] == pytest.approx(row["spread_training"], rel=0.05)
    same = memorisation_row("a", np.repeat(new_ones[:1], 9, axis=0), training, validation[:0])
    assert same["spread_generated"] == 0.0 and np.isnan(same["nearer"]) and np.isnan(same["copies"])


def test_the_sheet_shows_samples_above_their_nearest_training_slices() -> None:
    made, training = slices(8), slices(30, seed=1)
    picture = np.asarray(sheet([("a", made, training), ("b", made, training)]))
    assert picture.shape == (4 * (14 + 128), 8 * 128)
    np.testing.assert_array_equal(picture[14:142:2, 0:128:2], made[0])
    np.testing.assert_array_equal(picture[156:284:2, 128:256:2], training[nearest(made, training)[1][1]])


def with_generated(share: float = 0.5) -> Material:
    """Generated slices are darker than 100 for class 0 and brighter for class 1; real ones are noise."""
    source, rng = material("dcgan", share=share), np.random.default_rng(3)
    labels = np.arange(12) % 2
    pixels = (rng.integers(0, 100, (12, 64, 64)) + 150 * labels[:, None, None]).astype(np.uint8)
    return replace(source, generated=LabelledImages(pixels, np.arange(12), labels))


def test_a_share_of_each_step_is_generated_and_of_the_same_class() -> None:
    source = with_generated(share=0.25)
    treatment, chosen = WithGenerated(source), [place % 18 for place in range(4000)]
    generated, replaced = treatment.extras(draw(chosen))
    assert replaced.mean() == pytest.approx(0.25, abs=0.03)
    bright = generated.mean(axis=(1, 2)) > 100
    np.testing.assert_array_equal(bright, source.labels[chosen] == 1)
    assert len(np.unique(generated.reshape(len(generated), -1), axis=0)) == 12
    images = source.pixels[chosen]
    mixed = treatment.compose(tf.constant(images), (tf.constant(generated), tf.constant(replaced))).numpy()
    np.testing.assert_array_equal(mixed[replaced], generated[replaced])
    np.testing.assert_array_equal(mixed[~replaced], images[~replaced])
    assert source.generated is not None
    np.testing.assert_array_equal(treatment.pixels[3], resize_image(source.generated.pixels[3], SIZE))


def test_a_class_without_generated_slices_is_refused() -> None:
    source = with_generated()
    assert source.generated is not None
    one = LabelledImages(source.generated.pixels, np.arange(0, 12, 2), np.zeros(6, int))
    with pytest.raises(UserError, match="no generated slice of 1 of the classes"):
        WithGenerated(replace(source, generated=one))


def test_validation_sees_real_slices_alone() -> None:
    """Training by generated slices moves the loss of training; what is validated is the same."""
    source, plan = with_generated(share=0.9), TrainingPlan(epochs=1, batch_size=18, learning_rate=1e-9, seed=3)
    images = LabelledImages(source.pixels, source.rows, source.labels, source.patients)
    rows = [
        fit(new_model(), BACKBONE, binary_crossentropy, images, images, plan, treatment=treatment)[0]
        for treatment in (Treatment(), WithGenerated(source))
    ]
    assert rows[0]["val_loss"] == pytest.approx(rows[1]["val_loss"], rel=2e-2)
    assert rows[0]["loss"] != pytest.approx(rows[1]["loss"], rel=1e-3)


def test_slices_of_a_class_are_told_by_its_name() -> None:
    """Of two classes, a network learns the first as 1."""
    classes, pixels = Classes.of(["ill", "well"]), slices(4)
    labels = classes.numbers_of(pd.Series(["ill", "well", "well", "ill"]))
    images = LabelledImages(pixels, np.array([2, 3, 0, 1]), labels)
    np.testing.assert_array_equal(slices_of_class(images, classes, "ill", 64), pixels[[2, 1]])
    assert slices_of_class(images, classes, "well", 16).shape == (2, 16, 16)


def test_slices_of_a_generator_without_classes_have_no_class(tmp_path: Path) -> None:
    classes, pixels = Classes.of(["ill", "well"]), slices(4)
    images = LabelledImages(pixels, np.array([2, 3, 1]), np.array([1, 0, 0]))
    np.testing.assert_array_equal(slices_of_class(images, classes, EVERY_CLASS, 64), pixels[[2, 3, 1]])
    np.save(tmp_path / "generated.npy", pixels)
    write_table(tmp_path / "generated.tsv", [{"row": row, "label": EVERY_CLASS} for row in range(4)], "generated")
    found = read_generated(tmp_path / "generated.tsv", classes)
    assert found.rows.tolist() == [0, 1, 2, 3] and found.labels.tolist() == [-1] * 4


def test_generated_slices_are_read_with_the_numbers_of_the_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "generated.npy", slices(6))
    labels = ["c", "a", "b", "a", "b", "c"]
    rows = [{"row": row, "label": label} for row, label in enumerate(labels)]
    write_table(tmp_path / "generated.tsv", rows, "generated")
    found = read_generated(tmp_path / "generated.tsv", Classes.of(["a", "b", "c"]).among(["a", "b"]))
    assert found.rows.tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(found.batch(np.array([1]))[0][0], slices(6)[2])
    assert found.labels.tolist() == [0, 1, 0, 1]
