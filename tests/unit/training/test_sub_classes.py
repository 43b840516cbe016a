"""Sub-classes: composed as NumPy and SciPy have it, parted as no other partition is better, and learned."""

import itertools
from typing import Any, cast

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.cluster.vq import kmeans2
from scipy.special import expit, log_softmax, logsumexp, softmax
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from lungsight.errors import UserError
from lungsight.training.bags import in_two_parts, mean_by_group
from lungsight.training.fit import TrainingPlan, fit, make_forward
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Measured, binary_crossentropy, weighted_categorical_crossentropy
from lungsight.training.network import (
    LOGIT,
    POOLED,
    SUB_LOGITS,
    build_classifier,
    copy_weights,
    logits_of,
    pooled_inference,
    to_input,
)
from lungsight.training.sub_classes import Composition, Decomposition, numbered_alike, part, principal_components
from lungsight.training.treatment import Material, Outputs
from tests.factories.treatments import BACKBONE, PATIENTS, SETTINGS, SLICES, batch_for, draw, material, new_model

CHOSEN = [0, 4, 7, 16]
K = 3


def composed(outputs: int, spread: float = 1.0) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    """A network whose head is its sub-logits, with logits given; returns it, the sub-logits by class and its inputs."""
    model = build_classifier(BACKBONE, SETTINGS, outputs=outputs, architecture=Composition({"sub_classes": K}))
    behind = keras.Model(model.get_layer(SUB_LOGITS).output, [model.get_layer(LOGIT).output, model.output])
    scores = np.random.default_rng(0).normal(0, spread, (5, max(outputs, 2) * K)).astype(np.float32)
    return behind, scores.reshape(5, -1, K), scores


@pytest.mark.parametrize("spread", [1.0, 60.0])
def test_the_logits_of_classes_are_composed_as_scipy_does(spread: float) -> None:
    model, by_class, inputs = composed(4, spread)
    logits, probability = model(inputs)
    np.testing.assert_allclose(logits, logsumexp(by_class.astype(float), axis=2), rtol=1e-5, atol=1e-5)
    of_sub_classes = softmax(inputs.astype(float), axis=1).reshape(5, 4, K)
    np.testing.assert_allclose(probability, of_sub_classes.sum(axis=2), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("spread", [1.0, 60.0])
def test_the_one_logit_of_two_classes_is_the_difference(spread: float) -> None:
    model, by_class, inputs = composed(1, spread)
    logit, probability = model(inputs)
    negative, positive = logsumexp(by_class.astype(float), axis=2).T
    assert logit.shape == probability.shape == (5, 1)
    np.testing.assert_allclose(logit[:, 0], positive - negative, rtol=1e-4, atol=2e-5)
    np.testing.assert_allclose(probability[:, 0], expit(positive - negative), rtol=1e-3, atol=1e-6)
    of_sub_classes = softmax(inputs.astype(float), axis=1).reshape(5, 2, K)
    np.testing.assert_allclose(probability[:, 0], of_sub_classes[:, 1].sum(axis=1), rtol=1e-3, atol=1e-6)


def test_the_gradient_of_a_composed_logit_is_the_softmax_of_its_sub_classes() -> None:
    model, by_class, inputs = composed(4, 3.0)
    scores = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(scores)
        logit = tf.reduce_sum(model(scores)[0][:, 2])
    gradient = np.asarray(tape.gradient(logit, scores)).reshape(5, 4, K)
    expected = np.zeros_like(gradient)
    expected[:, 2] = softmax(by_class[:, 2], axis=1)
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


def test_principal_components_are_the_singular_vectors_of_the_centred_features() -> None:
    features = np.random.default_rng(0).normal(size=(12, 5)) * [5, 3, 1, 0.5, 0.1] + 7
    found = principal_components(features, 2)
    left, values, _ = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(np.abs(found), np.abs(left[:, :2] * values[:2]), rtol=1e-8)
    assert principal_components(features, 50).shape == (12, 5)
    assert principal_components(features[:3], 50).shape == (3, 3)


def inertia(features: np.ndarray, numbers: np.ndarray) -> float:
    """The sum of squared distances from the means of the parts."""
    parts = [features[numbers == each] for each in np.unique(numbers)]
    return sum(((each - each.mean(axis=0)) ** 2).sum() for each in parts)


def test_no_partition_of_a_class_is_better_than_the_one_found() -> None:
    """Of all partitions of eight members into two or three."""
    features = np.random.default_rng(3).normal(size=(16, 2))
    classes = np.repeat([1, 0], 8)[np.random.default_rng(4).permutation(16)]
    for k in (2, 3):
        found = part(features, classes, k)
        for label in (0, 1):
            of_class = features[classes == label]
            candidates = (np.array(each) for each in itertools.product(range(k), repeat=8) if len(set(each)) == k)
            best = min(inertia(of_class, each) for each in candidates)
            assert inertia(of_class, found[classes == label]) == pytest.approx(best, rel=1e-9)


def test_the_parts_of_a_class_are_those_of_scikit_learn_and_scipy_on_it_alone() -> None:
    rng = np.random.default_rng(5)
    centres = rng.normal(0, 4, (6, 4))
    groups = np.repeat(np.arange(6), 30)
    features, classes = centres[groups] + rng.normal(size=(180, 4)), groups % 2
    found = part(features, classes, 3)
    for label in (0, 1):
        own, of_class = found[classes == label], features[classes == label]
        by_sklearn = KMeans(3, n_init=cast("Any", 30), random_state=9).fit_predict(of_class)
        starts = [kmeans2(of_class, 3, minit="++", rng=seed, iter=100)[1] for seed in range(10)]
        by_scipy = min(starts, key=lambda numbers: inertia(of_class, numbers))
        for other in (by_sklearn, by_scipy):
            assert adjusted_rand_score(other, own) == 1.0
    np.testing.assert_array_equal(part(features, classes, 3), found)


def test_numbers_follow_the_sub_classes_that_a_network_has_learned() -> None:
    """Of all ways to number the parts of both classes, none has a higher log-probability."""
    rng = np.random.default_rng(6)
    classes, found = rng.integers(0, 2, 40), rng.integers(0, K, 40)
    scores = rng.normal(size=(40, 2, K))
    numbered = numbered_alike(found, classes, scores)

    def of(numbers: np.ndarray) -> float:
        return float(log_softmax(scores[np.arange(40), classes], axis=1)[np.arange(40), numbers].sum())

    orders = [np.array(order) for order in itertools.permutations(range(K))]
    every = [
        np.where(classes == 0, first[found], second[found]) for first, second in itertools.product(orders, repeat=2)
    ]
    assert any((numbered == each).all() for each in every)
    assert of(numbered) == pytest.approx(max(map(of, every)))


def attached(source: Material, model: keras.Model) -> Decomposition:
    treatment = Decomposition(source)
    treatment.attach(model)
    return treatment


def numbers_of(treatment: Decomposition) -> np.ndarray:
    return treatment.variables[0].numpy()


def test_the_features_of_the_start_part_the_training_slices() -> None:
    source, model = material("detrac", components=4), new_model("detrac")
    numbers = numbers_of(attached(source, model))
    pooled = pooled_inference(model, BACKBONE)(source.pixels)
    components = principal_components(pooled.astype(float), 4)
    for label in (0, 1):
        members = source.labels == label
        reference = KMeans(2, n_init=cast("Any", 20), random_state=3).fit_predict(components[members])
        assert adjusted_rand_score(reference, numbers[members]) == 1.0
    drawn = Decomposition.extras(attached(source, model), draw(CHOSEN))[0]
    np.testing.assert_array_equal(drawn, numbers[CHOSEN])
    assert drawn.dtype == np.int32


def test_other_images_than_those_of_training_part_nothing() -> None:
    source, model = material("detrac"), new_model("detrac")
    few = Material(
        source.settings, BACKBONE, source.pixels.copy(), source.rows[:9], source.labels[:9], source.patients[:9]
    )
    before = numbers_of(attached(few, model))
    few.pixels[9:] = 255
    np.testing.assert_array_equal(numbers_of(attached(few, model)), before)


def test_bags_of_a_patient_have_the_sub_class_of_the_patient() -> None:
    source, model = material("detrac"), new_model("detrac")
    bags = Material(
        source.settings, BACKBONE, source.pixels, source.rows, source.labels, source.patients, bag_size=SLICES
    )
    treatment = attached(bags, model)
    by_patient = numbers_of(treatment).reshape(PATIENTS, SLICES)
    assert (by_patient == by_patient[:, :1]).all()
    features = mean_by_group(pooled_inference(model, BACKBONE)(source.pixels), source.patients)
    parts = part(principal_components(features, 50), np.arange(PATIENTS) % 2, 2)
    for label in (0, 1):
        assert adjusted_rand_score(parts[label::2], by_patient[label::2, 0]) == 1.0
    assert treatment.extras(draw([*range(3), *range(6, 9)]))[0].tolist() == by_patient[[0, 2], 0].tolist()


def test_the_loss_is_the_cross_entropy_of_all_sub_classes() -> None:
    """Without class weights and smoothing: −log p of k · n classes, of one logit and of several."""
    source = material("detrac")
    treatment = attached(source, new_model("detrac"))
    batch = batch_for(treatment, source, CHOSEN)
    scores = np.random.default_rng(7).normal(0, 2, (4, 2, 2)).astype(np.float32)
    composed_logits = logsumexp(scores, axis=2)
    place = source.labels[CHOSEN] * 2 + numbers_of(treatment)[CHOSEN]
    expected = -log_softmax(scores.reshape(4, 4).astype(float), axis=1)[np.arange(4), place].mean()

    def several(labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured:
        return weighted_categorical_crossentropy(labels, outputs, 0.0, [1.0, 1.0])

    one_logit = composed_logits[:, 1:] - composed_logits[:, :1]
    for objective, logits in ((binary_crossentropy, one_logit), (several, composed_logits)):
        found = Outputs(tf.constant(logits), tf.constant(scores.reshape(4, 4)))
        measured, minimised = treatment.loss(objective, batch, lambda _, found=found: found)  # pyright: ignore
        assert float(minimised) == pytest.approx(expected, rel=1e-5)
        np.testing.assert_allclose(measured.loss, objective(batch.labels, tf.constant(logits)).loss)


@pytest.mark.parametrize("bag_size", [1, SLICES])
def test_a_step_sees_the_sub_logits_of_its_images_or_bags(bag_size: int) -> None:
    model, source = new_model("detrac"), material("detrac")
    outputs = make_forward(model, BACKBONE, bag_size, SUB_LOGITS)(tf.constant(source.pixels[:6], tf.float32))
    features, _ = in_two_parts(model)
    pooled = features(to_input(BACKBONE, source.pixels[:6]), training=True).numpy()
    bags = tf.constant(pooled.reshape(6 // bag_size, bag_size, -1).mean(axis=1))
    part_of_head = keras.Model(model.get_layer(POOLED).output, [model.get_layer(SUB_LOGITS).output, model.output])
    scores, logits = part_of_head(bags)
    assert outputs.features is not None
    np.testing.assert_allclose(outputs.features, scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(outputs.logits, logits, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bag_size", [1, 2])
def test_a_training_learns_the_sub_classes_that_it_found(bag_size: int) -> None:
    model, source = new_model("detrac"), material("detrac")
    source = Material(
        source.settings, BACKBONE, source.pixels, source.rows, source.labels, source.patients, bag_size=bag_size
    )
    for group in range(4):  # two looks of each class: darker and brighter
        members = (source.labels == group % 2) & (source.patients // 2 % 2 == group // 2)
        source.pixels[members] = (source.pixels[members] // 6 + 50 * group).astype(np.uint8)
    images = LabelledImages(source.pixels, source.rows, source.labels, source.patients)
    treatment = Decomposition(source)
    plan = TrainingPlan(epochs=25, batch_size=6, learning_rate=1e-2, seed=3, bag_size=bag_size, recalibrate=True)
    history = fit(model, BACKBONE, binary_crossentropy, images, images, plan, treatment=treatment)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    scores = keras.Model(model.input, model.get_layer(SUB_LOGITS).output)(to_input(BACKBONE, source.pixels)).numpy()
    own = scores.reshape(-1, 2, 2)[np.arange(len(scores)), source.labels]
    assert (own.argmax(axis=1) == numbers_of(treatment)).mean() > 0.9
    counts = treatment.findings(model)["sub_classes"]
    assert [sum(each) for each in counts] == np.bincount(source.labels).tolist()
    assert all(min(each) > 0 for each in counts)


def test_more_sub_classes_than_slices_or_patients_are_refused() -> None:
    source = material("detrac", sub_classes=4)
    few = Material(source.settings, BACKBONE, source.pixels, source.rows[:6], source.labels[:6], source.patients[:6])
    with pytest.raises(UserError, match="sub_classes: a class has 3 training slices, too few for 4 sub-classes"):
        Decomposition(few).attach(new_model("detrac"))
    bags = Material(source.settings, BACKBONE, source.pixels, source.rows, source.labels, source.patients, bag_size=3)
    with pytest.raises(UserError, match="a class has 3 training patients, whom bags keep together, too few for 4"):
        Decomposition(bags).attach(new_model("detrac"))


def test_features_that_are_not_numbers_are_refused() -> None:
    model = new_model("detrac")
    gamma, beta, mean, variance = model.get_layer("bn4").get_weights()
    model.get_layer("bn4").set_weights([gamma, np.full_like(beta, np.inf), mean, variance])
    with pytest.raises(UserError, match=r"some are not numbers. training.precision: float32"):
        Decomposition(material("detrac")).attach(model)


def test_stage_2_keeps_the_sub_classes_of_the_classes_that_it_shares() -> None:
    """Of three classes the parent knows the first and the last."""
    keras.utils.set_random_seed(1)
    model, parent = (
        build_classifier(BACKBONE, SETTINGS, outputs=outputs, architecture=Composition({"sub_classes": K}))
        for outputs in (3, 2)
    )
    fresh = model.get_layer(SUB_LOGITS).get_weights()[0].copy()
    copy_weights(model, parent, [(0, 0), (2, 1)])
    kernel, of_parent = (each.get_layer(SUB_LOGITS).get_weights()[0] for each in (model, parent))
    np.testing.assert_array_equal(kernel[:, [0, 1, 2, 6, 7, 8]], of_parent)
    np.testing.assert_array_equal(kernel[:, 3:6], fresh[:, 3:6])
    images = np.random.default_rng(0).normal(size=(3, 16, 16, 3)).astype(np.float32)
    logits = [logits_of(each)(images).numpy() for each in (model, parent)]
    np.testing.assert_allclose(logits[0][:, [0, 2]], logits[1], rtol=1e-4, atol=1e-5)
