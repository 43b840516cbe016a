"""The outputs of a model and the sanity checks, on a small network and on a model whose maps are known."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from lungsight.audit.intervals import sanity_rows
from lungsight.audit.interventions import Extents, InterventionBatch
from lungsight.audit.model_audit import spread_sample, table_of_values
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.predictions import Predictions
from lungsight.audit.rows import FULLY_RANDOMISED
from lungsight.audit.sanity_checks import (
    SliceValues,
    area_under_steps,
    blocks_of,
    deletion_insertion_values,
    fresh_values,
    pixel_ranks,
    randomisation_values,
    randomise,
    restored,
)
from lungsight.rows import AuditRow
from lungsight.tables import check_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, to_input

SIZE = 32
EXTENTS = Extents(margin=0.0, border=0.1, crop=0.6, low_pass=0.05, blur=0.2)
BACKBONE = backbones.load("small_cnn")
PATIENTS = pd.Series(list("aabbcc"))


@pytest.fixture(scope="module")
def outputs() -> ModelOutputs:
    keras.utils.set_random_seed(2)
    head = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}
    return ModelOutputs(build_classifier(BACKBONE, head), BACKBONE)


@pytest.fixture(scope="module")
def batch() -> InterventionBatch:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (6, SIZE, SIZE)).astype(np.uint8)
    lung = np.zeros(images.shape, bool)
    lung[:, 8:24, 8:24] = True
    return InterventionBatch(images, lung, np.array([2, 3, 4, 5, 0, 1]), EXTENTS)


def test_the_outputs_are_the_models_logit_features_and_gradcam(outputs: ModelOutputs, batch: InterventionBatch) -> None:
    predictions = outputs(batch.images)
    inputs = to_input(BACKBONE, batch.images)
    model = outputs.model
    parts = keras.Model(model.inputs, [model.get_layer("relu4").output, model.get_layer("hidden").output])
    channels, hidden = parts(inputs, training=False)
    with tf.GradientTape() as tape:
        tape.watch(channels)
        dense = model.get_layer("hidden")(tf.reduce_mean(channels, axis=(1, 2)))
        logit = model.get_layer("logit")(dense)
    weights = tf.reduce_mean(tape.gradient(logit, channels), axis=(1, 2))
    np.testing.assert_allclose(predictions.logits, logit, atol=1e-5)
    np.testing.assert_allclose(predictions.probability_of(np.ones(6)), model(inputs, training=False)[:, 0], atol=1e-5)
    np.testing.assert_allclose(predictions.features, hidden, atol=1e-5)
    cams = np.einsum("nhwc,nc->nhw", channels, weights)
    np.testing.assert_allclose(predictions.cams[:, 0], cams, atol=1e-5)
    for number, sign in ((1, 1.0), (0, -1.0)):
        np.testing.assert_allclose(predictions.maps(np.full(6, number)), np.maximum(sign * cams, 0), atol=1e-5)


def test_blocks_run_from_the_head_to_the_image(outputs: ModelOutputs) -> None:
    blocks = blocks_of(outputs.model)
    assert list(blocks) == ["head", "stride 8", "stride 4", "stride 2", "stride 1"]
    assert [layer.name for layer in blocks["head"]] == ["logit", "hidden"]
    named = [layer.name for layers in blocks.values() for layer in layers]
    assert sorted(named) == sorted(layer.name for layer in outputs.model.layers if layer.weights)


def test_fresh_values_are_an_initialisation(outputs: ModelOutputs) -> None:
    rng = np.random.default_rng(0)
    convolution, norm = outputs.model.get_layer("conv3"), outputs.model.get_layer("bn3")
    kernel = fresh_values(convolution.kernel, rng)
    limit = np.sqrt(6 / (9 * (32 + 64)))
    assert kernel.shape == tuple(convolution.kernel.shape)
    assert np.abs(kernel).max() <= limit and kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    levels = {variable.name: set(fresh_values(variable, rng)) for variable in norm.weights}
    assert levels == {"gamma": {1.0}, "beta": {0.0}, "moving_mean": {0.0}, "moving_variance": {1.0}}


def test_randomising_reaches_the_traced_function_and_is_undone(outputs: ModelOutputs, batch: InterventionBatch) -> None:
    before = outputs(batch.images)
    with restored(outputs.model):
        randomise(blocks_of(outputs.model)["head"], np.random.default_rng(0))
        changed = outputs(batch.images)
    after = outputs(batch.images)
    assert not np.allclose(changed.logits, before.logits)
    np.testing.assert_array_equal(after.logits, before.logits)
    np.testing.assert_array_equal(after.cams, before.cams)


def rows_of(measured: list[SliceValues], patients: pd.Series) -> list[AuditRow]:
    """The rows of sanity.tsv."""
    slices = pd.DataFrame({"slice": [f"s{k}" for k in range(len(patients))], "patient": patients})
    return sanity_rows(table_of_values(slices, measured), resamples=20, seed=5)


def test_randomisation_values(outputs: ModelOutputs, batch: InterventionBatch) -> None:
    rows = rows_of(randomisation_values(outputs, batch, draws=2, seed=5), PATIENTS)
    check_table(pd.DataFrame(rows), "audit", "sanity")
    assert [row["variant"] for row in rows] == [*blocks_of(outputs.model), FULLY_RANDOMISED, FULLY_RANDOMISED]
    assert rows == rows_of(randomisation_values(outputs, batch, draws=2, seed=5), PATIENTS)
    assert rows[-2]["value"] == rows[-3]["value"] and abs(rows[-2]["value"]) <= 1
    assert rows[-1]["measure"] == "enrichment"


class ModelFreeMaps:
    """A model whose maps are the slice itself, whatever the weights are: what the test must catch."""

    def __init__(self, outputs: ModelOutputs) -> None:
        self.model = outputs.model

    def __call__(self, images: np.ndarray) -> Predictions:
        return Predictions(np.ones((len(images), 1)), np.zeros((len(images), 1)), images[:, None].astype(float))


def test_maps_that_do_not_depend_on_the_model_stay_alike(outputs: ModelOutputs, batch: InterventionBatch) -> None:
    rows = rows_of(randomisation_values(ModelFreeMaps(outputs), batch, draws=1, seed=5), PATIENTS)
    assert [row["value"] for row in rows if row["measure"] == "rank_correlation"] == pytest.approx([1] * 6)


def test_pixel_ranks_put_the_hottest_first() -> None:
    maps = np.array([[[5.0, 1.0], [3.0, 2.0]], [[0.0, 0.0], [0.0, 9.0]]])
    ranks = pixel_ranks(maps, np.random.default_rng(0))
    np.testing.assert_allclose(ranks[0], [[0, 1], [1 / 3, 2 / 3]])
    assert ranks[1, 1, 1] == 0 and sorted(ranks[1].ravel()) == pytest.approx([0, 1 / 3, 2 / 3, 1])


class CountsBright:
    """A model whose probability is the share of white pixels in the upper half of the slice."""

    def __call__(self, images: np.ndarray) -> Predictions:
        share = np.clip((images[:, : SIZE // 2] > 200).mean(axis=(1, 2)), 1e-6, 1 - 1e-6)
        cams = np.zeros(images.shape)
        cams[:, : SIZE // 2] = 1
        return Predictions(np.log(share / (1 - share))[:, None], np.zeros((len(images), 1)), cams[:, None])


def test_deletion_falls_and_insertion_rises_along_the_map() -> None:
    """Half of the pixels carry everything: the probability has fallen, or risen, after half of the steps."""
    white, black = np.full((1, SIZE, SIZE), 255.0), np.zeros((1, SIZE, SIZE))
    upper = np.zeros((1, SIZE, SIZE))
    upper[:, : SIZE // 2] = 1
    ranks = pixel_ranks(upper, np.random.default_rng(0))
    sign = np.ones(1)
    deletion = area_under_steps(CountsBright(), ranks, black, white, sign, steps=16)
    insertion = area_under_steps(CountsBright(), ranks, white, black, sign, steps=16)
    assert deletion[0] == pytest.approx(0.25, abs=0.01)
    assert insertion[0] == pytest.approx(0.75, abs=0.01)


def test_deletion_and_insertion_compare_with_random_maps() -> None:
    images = np.full((4, SIZE, SIZE), 255, np.uint8)
    images[:, SIZE // 2 :] = 0
    made = InterventionBatch(images, np.ones(images.shape, bool), np.zeros(4, int), EXTENTS)
    rows = rows_of(deletion_insertion_values(CountsBright(), made, steps=8, seed=1), pd.Series(list("aabb")))
    check_table(pd.DataFrame(rows), "audit", "sanity")
    value = {(row["test"], row["variant"]): row["value"] for row in rows}
    assert value["deletion", "map − random"] < -0.1
    for test in ("deletion", "insertion"):
        difference = value[test, "map"] - value[test, "random"]
        assert value[test, "map − random"] == pytest.approx(difference)


def test_the_sample_is_spread_evenly() -> None:
    assert spread_sample(10, 4).tolist() == [0, 3, 6, 9]
    assert spread_sample(3, 8).tolist() == [0, 1, 2]
    assert spread_sample(5, 1).tolist() == [0]
