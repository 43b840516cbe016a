"""Training in float16: steps as in float32, overflows skipped, and resumed with the scale of the loss."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from lungsight.config import config_schema
from lungsight.training import backbones
from lungsight.training.adam import Adam, Optimizer, optimizer_of
from lungsight.training.augmentation import no_augmentation
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.fit import fit, make_train_step
from lungsight.training.losses import Measured, Objective, binary_crossentropy
from lungsight.training.network import logits_of
from lungsight.training.stage_training import Start, in_float32
from tests.unit.training.test_fit import PLAN, SETTINGS, killed_after_a_checkpoint, sides, without_seconds

BACKBONE = backbones.load("small_cnn")
INITIAL_SCALE = 2.0**15  # Keras's


def model_in(precision: str) -> keras.Model:
    keras.utils.set_random_seed(1)
    return Start().build("small_cnn", BACKBONE, SETTINGS | {"precision": precision})


def times(factor: float) -> Objective:
    """An objective whose gradients are `factor` times as steep."""

    def objective(labels: tf.Tensor, outputs: tf.Tensor) -> Measured:
        measured = binary_crossentropy(labels, outputs)
        return Measured(measured.loss * factor, measured.correct)

    return objective


def step_of(precision: str, factor: float = 1.0, scaled: bool = True) -> tuple[Optimizer, np.ndarray]:
    """One step on the made images: the optimizer, and by how much each trainable weight moved."""
    model = logits_of(model_in(precision))
    optimizer = optimizer_of(model, 0.0)
    if not scaled:
        optimizer = optimizer.inner_optimizer
    before = [variable.numpy() for variable in model.trainable_variables]
    pixels, labels = sides()[0].batch(np.arange(8))
    drawn = (tf.constant(each) for each in no_augmentation(8))
    step = make_train_step(model, BACKBONE, times(factor), optimizer)
    step(tf.constant(pixels), tf.constant(labels, tf.int32), *drawn, tf.constant(1e-2))
    moved = [variable.numpy() - value for variable, value in zip(model.trainable_variables, before, strict=True)]
    return optimizer, np.concatenate([each.ravel() for each in moved])


def gradients_of(optimizer: Optimizer) -> list[np.ndarray]:
    """The gradients of its first step: ten times the momentums."""
    momentums = [variable for variable in optimizer.variables if variable.name.endswith("_momentum")]
    return [10 * momentum.numpy().ravel() for momentum in momentums]


def test_a_step_is_that_of_float32() -> None:
    """float16 has three digits, of which batch normalisation loses some: gradients agree in direction and length."""
    (half, moved), (full, _) = step_of("mixed_float16"), step_of("float32")
    assert isinstance(half, keras.optimizers.LossScaleOptimizer) and isinstance(full, Adam)
    assert len(gradients_of(half)) == len(gradients_of(full)) > 0
    for one, other in zip(gradients_of(half), gradients_of(full), strict=True):
        if np.linalg.norm(other) > 1e-5:  # what batch normalisation undoes has none
            lengths = np.linalg.norm(one), np.linalg.norm(other)
            assert one @ other / np.prod(lengths) > 0.99
            assert lengths[0] == pytest.approx(lengths[1], rel=0.05)
    assert np.abs(moved).max() == pytest.approx(1e-2, rel=1e-3)
    assert (float(half.dynamic_scale), int(half.step_counter)) == (INITIAL_SCALE, 1)


def test_gradients_that_vanish_in_float16_are_kept_by_the_scale() -> None:
    scaled, _ = step_of("mixed_float16", factor=1e-7)
    plain, _ = step_of("mixed_float16", factor=1e-7, scaled=False)
    full, _ = step_of("float32", factor=1e-7)
    assert not gradients_of(plain)[0].any()
    np.testing.assert_allclose(np.linalg.norm(gradients_of(scaled)[0]), np.linalg.norm(gradients_of(full)[0]), rtol=0.1)


def test_a_gradient_that_overflows_halves_the_scale_and_moves_nothing() -> None:
    optimizer, moved = step_of("mixed_float16", factor=1e6)
    assert float(optimizer.dynamic_scale) == INITIAL_SCALE / 2
    assert int(optimizer.iterations) == int(optimizer.step_counter) == 0
    assert not moved.any()


def test_float16_learns_resumes_to_the_same_numbers_and_leaves_a_float32_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = replace(PLAN, epochs=4, learning_rate=1e-2)

    def train(model: keras.Model, checkpoint: Checkpoint | None = None) -> list[dict]:
        return fit(logits_of(model), BACKBONE, binary_crossentropy, *sides(), plan, checkpoint)

    undisturbed = model_in("mixed_float16")
    expected = train(undisturbed)
    assert expected[-1]["loss"] < expected[0]["loss"]
    checkpoint = Checkpoint.of(tmp_path, {"precision": "mixed_float16"})
    with killed_after_a_checkpoint(monkeypatch):
        train(model_in("mixed_float16"), checkpoint)
    resumed = model_in("mixed_float16")
    assert without_seconds(train(resumed, checkpoint)) == without_seconds(expected)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    saved = in_float32(resumed, BACKBONE, SETTINGS | {"precision": "mixed_float16"})
    assert {layer.compute_dtype for layer in saved.layers} == {"float32"}


@pytest.mark.parametrize("word", config_schema()["properties"]["training"]["properties"]["precision"]["enum"])
def test_every_precision_of_the_config_is_one_of_keras(word: str) -> None:
    assert keras.dtype_policies.DTypePolicy(word).variable_dtype == "float32"
