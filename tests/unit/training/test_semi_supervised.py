"""The discriminator of n classes and "generated": against NumPy, finite differences, and other labels."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp, softmax

from lungsight.errors import UserError
from lungsight.training.fit import TrainingPlan, fit, make_forward
from lungsight.training.image_cache import resize_image
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Objective, binary_crossentropy, weighted_categorical_crossentropy
from lungsight.training.network import POOLED
from lungsight.training.semi_supervised import SemiSupervised, class_logits, margin_of_real
from lungsight.training.treatment import Outputs
from tests.factories.treatments import BACKBONE, SIZE, batch_for, draw, material, new_model

CHOSEN = [0, 4, 7, 16]
CATEGORICAL = partial(weighted_categorical_crossentropy, smoothing=0.0, class_weights=[1.0] * 3)


def attached(model: keras.Model, **settings: object) -> SemiSupervised:
    """A treatment whose output for "generated" is not that of its start."""
    treatment = SemiSupervised(material("madani", **settings))
    treatment.attach(model)
    rng = np.random.default_rng(5)
    for variable in treatment.trainable:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    return treatment


def logits_by_hand(outputs: np.ndarray) -> np.ndarray:
    """Logits of label 0, 1, … of a network's outputs, in float64."""
    outputs = outputs.astype(float)
    return np.hstack([-outputs / 2, outputs / 2]) if outputs.shape[1] == 1 else outputs


@pytest.mark.parametrize("k", [1, 3])
def test_real_is_all_but_the_last_of_a_softmax(k: int) -> None:
    rng = np.random.default_rng(0)
    outputs, generated = rng.normal(0, 2, (9, k)).astype(np.float32), rng.normal(0, 2, 9).astype(np.float32)
    probability = softmax(np.hstack([logits_by_hand(outputs), generated[:, None]]), axis=1)
    margin = margin_of_real(tf.constant(outputs), tf.constant(generated)).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), 1 - probability[:, -1], rtol=1e-5)
    # Salimans 2016, equation 6, where the logit of "generated" is 0.
    z = np.exp(logits_by_hand(outputs)).sum(axis=1)
    margin = margin_of_real(tf.constant(outputs), tf.zeros(9)).numpy()
    np.testing.assert_allclose(1 / (1 + np.exp(-margin)), z / (z + 1), rtol=1e-5)


def test_two_classes_keep_their_probability_and_are_treated_alike() -> None:
    outputs = np.array([[-3.0], [0.4], [2.0]], np.float32)
    of_softmax = softmax(class_logits(tf.constant(outputs)).numpy(), axis=1)
    np.testing.assert_allclose(of_softmax[:, 1], 1 / (1 + np.exp(-outputs[:, 0])), rtol=1e-5)
    margins = [margin_of_real(tf.constant(sign * outputs), tf.zeros(3)).numpy() for sign in (1, -1)]
    np.testing.assert_allclose(*margins, rtol=1e-6)


@pytest.mark.parametrize(("k", "bag_size"), [(1, 1), (3, 1), (1, 2)])
def test_the_loss_is_the_sum_of_three(k: int, bag_size: int) -> None:
    """Cross-entropy of the other cohort, -log p(real) of its own, -log(1 - p(real)) of the generated."""
    model, objective = new_model(), binary_crossentropy if k == 1 else CATEGORICAL
    treatment = attached(model, real_weight=0.7, generated_weight=0.3)
    treatment.material = replace(treatment.material, bag_size=bag_size)
    chosen = [0, 1, 6, 7] if bag_size == 2 else CHOSEN
    batch = batch_for(treatment, treatment.material, chosen)
    batch = batch._replace(labels=batch.labels[::bag_size])
    rng, n, bags = np.random.default_rng(2), len(chosen), len(chosen) // bag_size
    logits = rng.normal(0, 2, (3 * bags, k)).astype(np.float32)
    features = rng.normal(0, 1, (3 * n, *treatment.trainable[0].shape[:1])).astype(np.float32)
    seen = []

    def forward(pictures: tf.Tensor) -> Outputs:
        seen.append(pictures.numpy())
        return Outputs(tf.constant(logits), tf.constant(features))

    measured, minimised = treatment.loss(objective, batch, forward)
    kernel, offset = (variable.numpy().astype(float) for variable in treatment.trainable)
    of_bags = features.astype(float).reshape(3 * bags, bag_size, -1).mean(axis=1)
    scores = np.hstack([logits_by_hand(logits), of_bags @ kernel + offset])
    of_all = scores - logsumexp(scores, axis=1, keepdims=True)
    own, other, made = np.split(np.arange(3 * bags), 3)
    labels = batch.extras[1].numpy()
    of_classes = logits_by_hand(logits)[other]
    of_class = (logsumexp(of_classes, axis=1) - of_classes[np.arange(bags), labels]).mean()
    of_real = -logsumexp(of_all[own, :-1], axis=1).mean()
    of_generated = -of_all[made, -1].mean()
    assert float(minimised) == pytest.approx(of_class + 0.7 * of_real + 0.3 * of_generated, rel=1e-4)
    np.testing.assert_allclose(measured.loss, objective(batch.labels, tf.constant(logits[:bags])).loss, rtol=1e-6)
    pictures = [batch.pictures, batch.extras[0], batch.extras[4]]
    np.testing.assert_allclose(seen[0], np.concatenate([np.asarray(each, float) for each in pictures]), atol=1e-3)


def smooth_network(k: int) -> keras.Model:
    """A network without kinks, and with batch normalisation."""
    keras.utils.set_random_seed(1)
    images = keras.Input((SIZE, SIZE, 3))
    features = keras.layers.Conv2D(4, 3, strides=2)(images)
    features = keras.layers.Activation("tanh")(keras.layers.BatchNormalization()(features))
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(features)
    return keras.Model(images, keras.layers.Dense(k, name="logit")(pooled))


@pytest.mark.parametrize(("k", "objective"), [(1, binary_crossentropy), (3, CATEGORICAL)])
def test_the_gradient_is_the_finite_difference(k: int, objective: Objective) -> None:
    """Along one direction of all weights, those of the output for "generated" too."""
    model = smooth_network(k)
    treatment = attached(model)
    batch, forward = batch_for(treatment, treatment.material, CHOSEN), make_forward(model, BACKBONE, 1, POOLED)
    variables = [each.value for each in (*model.trainable_variables, *treatment.trainable)]
    rng = np.random.default_rng(4)
    directions = [rng.normal(size=each.shape).astype(np.float32) for each in variables]
    length = np.sqrt(sum((each**2).sum() for each in directions))
    directions = [each / length for each in directions]

    def value() -> tf.Tensor:
        return treatment.loss(objective, batch, forward)[1]

    with tf.GradientTape() as tape:
        minimised = value()
    gradients = tape.gradient(minimised, variables)
    expected = sum(float(tf.reduce_sum(one * other)) for one, other in zip(gradients, directions, strict=True))
    start, step, values = [each.numpy() for each in variables], 5e-3, []
    for sign in (1, -1):
        for variable, before, direction in zip(variables, start, directions, strict=True):
            variable.assign(before + sign * step * direction)
        values.append(float(value()))
    assert abs(expected) > 1e-3
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=0.02)


def test_labels_of_the_own_cohort_change_nothing() -> None:
    """Of a whole training; labels of the other cohort do."""
    plan, weights = TrainingPlan(epochs=2, batch_size=6, learning_rate=1e-2, seed=3), []
    for own, other in ((False, False), (True, False), (False, True)):
        source, model = material("madani"), new_model()
        assert source.companion is not None
        companion = replace(source.companion, labels=1 - source.companion.labels if other else source.companion.labels)
        labels = 1 - source.labels if own else source.labels
        source = replace(source, labels=labels, companion=companion)
        images = LabelledImages(source.pixels, source.rows, labels, source.patients)
        fit(model, BACKBONE, binary_crossentropy, images, images, plan, treatment=SemiSupervised(source))
        weights.append(np.concatenate([each.ravel() for each in model.get_weights()]))
    np.testing.assert_array_equal(weights[0], weights[1])
    assert np.abs(weights[0] - weights[2]).max() > 1e-3


def test_a_training_learns_what_is_generated() -> None:
    """Generated images are brighter than those of both cohorts."""
    source, model = material("madani"), new_model()
    assert source.generated is not None and source.companion is not None
    source.companion.pixels[:] //= 2
    source.pixels[:] //= 2
    source.generated.pixels[:] = 150 + source.generated.pixels // 3
    treatment = SemiSupervised(source)
    images = LabelledImages(source.pixels, source.rows, source.labels, source.patients)
    plan = TrainingPlan(epochs=15, batch_size=9, learning_rate=1e-2, seed=3)
    fit(model, BACKBONE, binary_crossentropy, images, images, plan, treatment=treatment)
    forward = make_forward(model, BACKBONE, 1, POOLED)
    pictures = [source.pixels[:8], treatment.pixels]
    outputs = forward(tf.constant(np.concatenate(pictures), tf.float32))
    margins = margin_of_real(outputs.logits, treatment.head(outputs.features)[:, 0]).numpy()
    assert np.mean(margins[:8] > 0) > 0.9 and np.mean(margins[8:] < 0) > 0.9


def test_generated_images_are_drawn_from_all() -> None:
    treatment = SemiSupervised(material("madani"))
    pixels, labels, _, _, generated, transforms, brightness = treatment.extras(
        draw([place % 18 for place in range(90)])
    )
    assert len(pixels) == len(generated) == len(transforms) == len(brightness) == 90
    assert np.bincount(labels).tolist() == [45, 45]
    assert len(np.unique(generated.reshape(90, -1), axis=0)) == 8
    assert treatment.material.generated is not None
    np.testing.assert_array_equal(treatment.pixels[3], resize_image(treatment.material.generated.pixels[3], SIZE))


def test_what_is_lacking_is_refused() -> None:
    source = material("madani")
    with pytest.raises(ValueError, match="needs generated slices"):
        SemiSupervised(replace(source, generated=None))
    with pytest.raises(ValueError, match="needs the images of another cohort"):
        SemiSupervised(replace(source, companion=None))
    assert source.companion is not None
    companion = replace(source.companion, labels=0 * source.companion.labels)
    with pytest.raises(UserError, match="1 of the classes are in stage 2 alone"):
        SemiSupervised(replace(source, companion=companion))
