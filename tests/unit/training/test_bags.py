"""Bags of slices, and predictions for patients from them, against bags pooled by hand."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from lungsight.evaluation.aggregation import fit_aggregations, mean_of_slices, patient_level
from lungsight.training import backbones
from lungsight.training.bags import (
    count_bags,
    draw_bags,
    group_numbers,
    in_two_parts,
    mean_by_group,
    numpy_head,
    predict_bags,
    predict_patient,
)
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.image_cache import CachedImages
from lungsight.training.inference import predict_slices
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of, to_input
from lungsight.training.pipelines import PATIENT_PREDICTION
from tests.factories.tables import NEGATIVE, POSITIVE

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.7}
PROVENANCE = {"backbone": "small_cnn", "image_size": SIZE, "settings": {"bag_size": 3}}


@pytest.fixture
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_classifier(backbones.load("small_cnn"), SETTINGS)


def images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, SIZE, SIZE), dtype=np.uint8)


def test_a_bag_holds_slices_of_one_patient_and_every_slice_is_in_a_bag() -> None:
    patients = np.array([0, 0, 0, 0, 0, 1, 2, 2, 2])
    bags = draw_bags(np.random.default_rng(0), patients, 3)
    assert bags.shape == (count_bags(patients, 3), 3) == (4, 3)
    assert (patients[bags] == patients[bags[:, :1]]).all()
    assert set(bags.ravel()) == set(range(9))
    assert (bags[patients[bags[:, 0]] == 1] == 5).all()  # one slice alone fills its bag
    again = draw_bags(np.random.default_rng(0), patients, 3)
    assert (bags == again).all()


def test_groups_are_numbered_in_order_of_appearance() -> None:
    assert group_numbers(["b", "a", "b", "a"], [1, 1, 1, 0]).tolist() == [0, 1, 0, 2]


def test_mean_features_of_a_patient_equal_pandas() -> None:
    features = np.arange(12.0).reshape(4, 3)
    expected = pd.DataFrame(features).groupby(np.array([0, 1, 0, 0])).mean().to_numpy()
    np.testing.assert_allclose(mean_by_group(features, np.array([0, 1, 0, 0])), expected)


def test_a_bag_is_predicted_from_its_mean_features_and_a_bag_of_one_as_its_slice(model: keras.Model) -> None:
    inputs = to_input(backbones.load("small_cnn"), images(6))
    logits = logits_of(model)
    logits.trainable = False  # batch normalisation by its running statistics, so that slices of a batch are independent
    hidden, logit = model.get_layer("hidden"), model.get_layer("logit")
    pooled = keras.Model(model.input, model.get_layer("pooled").output)(inputs).numpy().astype(float)
    kernel, bias = hidden.get_weights()
    by_hand = np.maximum(pooled.reshape(2, 3, -1).mean(axis=1) @ kernel + bias, 0) @ logit.get_weights()[0]
    predicted = predict_bags(logits, 3)(inputs).numpy()
    np.testing.assert_allclose(predicted, by_hand + logit.get_weights()[1], atol=1e-5)
    np.testing.assert_allclose(predict_bags(logits, 1)(inputs), logits(inputs), atol=1e-6)


def test_a_training_step_also_trains_the_layers_before_the_pooling(model: keras.Model) -> None:
    before = model.get_layer("conv1").get_weights()[0]
    rows, patients = np.arange(8), np.array([0, 0, 1, 1, 1, 2, 2, 3])
    labelled = LabelledImages(images(8), rows, patients % 2, patients)
    plan = TrainingPlan(epochs=2, batch_size=4, learning_rate=1e-3, seed=1, bag_size=2)
    assert (plan.bags_at_once, labelled.count(2)) == (2, 5)
    history = fit(logits_of(model), backbones.load("small_cnn"), binary_crossentropy, labelled, labelled, plan)
    assert not np.allclose(before, model.get_layer("conv1").get_weights()[0])
    # Validation counts patients, each with all slices.
    pooled = in_two_parts(logits_of(model))[0](to_input(backbones.load("small_cnn"), labelled.pixels)).numpy()
    logits = numpy_head(logits_of(model))(mean_by_group(pooled, patients))
    expected = binary_crossentropy(np.array([0, 1, 0, 1]), logits.astype(np.float32))
    assert history[-1]["val_loss"] == pytest.approx(float(np.mean(expected.loss)), rel=1e-4)


def test_a_model_trained_on_bags_predicts_slices_and_patients(model: keras.Model, tmp_path) -> None:
    model.save(tmp_path / "model.keras")
    backbone, pixels = backbones.load("small_cnn"), images(5)
    names = [f"{'a' * 16}-{number:04d}" for number in range(5)]
    patients = ["a" * 16] * 3 + ["b" * 16] * 2
    split = pd.DataFrame({"slice": names, "patient": patients, "label": [POSITIVE] * 3 + [NEGATIVE] * 2})
    cached = CachedImages(pixels, pd.Index(names))
    provenance = PROVENANCE | {"preprocessing": backbone.preprocessing}
    table = predict_slices(tmp_path / "model.keras", provenance, split.assign(split="val"), cached)
    plain = model(to_input(backbone, pixels)).numpy()[:, 0]
    np.testing.assert_allclose(table["probability"], plain, atol=1e-5)
    pooled = in_two_parts(model)[0](to_input(backbone, pixels)).numpy()
    expected = [numpy_head(model)(pooled[rows].mean(axis=0)[None])[0, 0] for rows in (slice(3), slice(3, 5))]
    np.testing.assert_allclose(table[PATIENT_PREDICTION], np.repeat(expected, [3, 2]), atol=1e-5)
    np.testing.assert_allclose(patient_level(table)["probability"], expected, atol=1e-5)
    assert not np.allclose(mean_of_slices(table)["probability"], expected, atol=1e-7)
    predict = predict_patient(model, provenance | {"labels": [POSITIVE, NEGATIVE]})
    assert predict(plain[:3, None], pooled[:3]) == pytest.approx(expected[0], abs=1e-5)
    assert predict_patient(model, {})(plain[:3, None], pooled[:3]) == pytest.approx(plain[:3].mean())
    aggregations = {fitted.aggregation for fitted in fit_aggregations(table, POSITIVE)}
    assert aggregations == {"slice", "pooled", "mean", "top_k", "fraction"}
    others = fit_aggregations(table.drop(columns=PATIENT_PREDICTION), POSITIVE)
    assert "pooled" not in {fitted.aggregation for fitted in others}


def test_a_patient_predicted_by_several_networks_gets_the_mean_over_slices() -> None:
    """In pooled folds by slice, one network tests two slices of the patient, another the third."""
    table = pd.DataFrame({"patient": "a", "label": POSITIVE, "probability": 0.5, PATIENT_PREDICTION: [0.9, 0.9, 0.3]})
    assert patient_level(table)["probability"].tolist() == pytest.approx([0.7])


def test_the_map_of_a_slice_is_that_of_a_patient_with_this_slice_alone(model: keras.Model) -> None:
    """With n equal slices, the gradient at the features of a slice is n times that of the patient's prediction."""
    features, head = in_two_parts(logits_of(model))
    pooled = tf.repeat(features(to_input(backbones.load("small_cnn"), images(1))), 4, axis=0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(pooled)
        of_slice = head(pooled)[0, 0]
        of_patient = head(tf.reduce_mean(pooled, axis=0, keepdims=True))[0, 0]
    np.testing.assert_allclose(4 * tape.gradient(of_patient, pooled)[0], tape.gradient(of_slice, pooled)[0], rtol=1e-5)
