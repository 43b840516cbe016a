"""Trainings on two cohorts: against networks that are built by hand, formulas and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.linear_classifier import probe_accuracy
from lungsight.training.domains import (
    DomainAdversarial,
    DomainNorm,
    draw_alike,
    reversal_at,
    reverse_gradient,
)
from lungsight.training.fit import TrainingPlan, fit, make_forward
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import POOLED, batch_norms, to_input
from lungsight.training.treatment import Material
from tests.factories.treatments import BACKBONE, PATIENTS, SLICES, batch_for, draw, material, new_model

CHOSEN = [0, 4, 7, 16]


def test_the_other_cohort_has_the_classes_of_the_step() -> None:
    labels = np.array([1, 0, 0, 1, 1, 0])
    images = LabelledImages(np.zeros((8, 1, 1), np.uint8), np.arange(8), np.array([0, 0, 0, 1, 1, 0, 1, 0]), None)
    chosen = draw_alike(np.random.default_rng(0), images, labels, 1)
    assert chosen.shape == (6, 1) and len(set(chosen.ravel())) == 6
    assert images.labels[chosen[:, 0]].tolist() == labels.tolist()
    few = LabelledImages(images.pixels, np.arange(2), np.array([0, 1]), None)
    assert draw_alike(np.random.default_rng(0), few, labels, 1).ravel().tolist() == labels.tolist()


def test_bags_of_the_other_cohort_are_of_one_patient() -> None:
    source = material("domain_norm")
    companion = source.companion
    assert companion is not None
    bags = draw_alike(np.random.default_rng(1), companion, np.array([1, 0, 1]), 2)
    assert bags.shape == (3, 2)
    assert (companion.groups()[bags[:, 0]] == companion.groups()[bags[:, 1]]).all()
    assert companion.labels[bags[:, 0]].tolist() == [1, 0, 1]


@pytest.mark.parametrize("treatment", [DomainNorm, DomainAdversarial])
def test_a_class_that_the_other_cohort_lacks_is_refused(treatment: type) -> None:
    source = material("dann" if treatment is DomainAdversarial else "domain_norm")
    assert source.companion is not None
    source.companion.labels[:] = 0
    with pytest.raises(UserError, match="1 of the classes are in stage 2 alone"):
        treatment(source)


def test_each_cohort_is_normalised_by_itself() -> None:
    """A second network with the other cohort's scales and offsets gives its loss; the first's statistics stay."""
    source, model = material("domain_norm", weight=0.5), new_model()
    treatment = DomainNorm(source)
    treatment.attach(model)
    for number, variable in enumerate(treatment.trainable):
        variable.assign(variable.numpy() * 1.1 + 0.05 * number)
    other_model = new_model()
    for layer in batch_norms(other_model):
        gamma, beta = treatment.of_layer[layer.name]
        assert gamma is not None and beta is not None
        layer.gamma.assign(gamma.numpy())
        layer.beta.assign(beta.numpy())
    batch = batch_for(treatment, source, CHOSEN)
    forward = make_forward(model, BACKBONE, 1, None)
    plain = new_model()
    own = binary_crossentropy(batch.labels, plain(to_input(BACKBONE, batch.pictures), training=True)).loss
    other = binary_crossentropy(
        batch.extras[1], other_model(to_input(BACKBONE, tf.cast(batch.extras[0], tf.float32)), training=True)
    ).loss
    with treatment.tracing(model, ()):
        measured, minimised = treatment.loss(binary_crossentropy, batch, forward)
    np.testing.assert_allclose(measured.loss, own, rtol=1e-4)
    assert float(minimised) == pytest.approx((np.mean(own) + 0.5 * np.mean(other)) / 1.5, rel=1e-4)
    for layer, same in zip(batch_norms(model), batch_norms(plain), strict=True):
        np.testing.assert_allclose(layer.moving_mean, same.moving_mean, rtol=1e-4, atol=1e-5)
        assert "call" not in vars(layer)


def test_a_training_moves_both_scales_and_keeps_the_statistics_of_its_own_cohort() -> None:
    source, model = material("domain_norm"), new_model()
    treatment, plan = DomainNorm(source), TrainingPlan(epochs=2, batch_size=6, learning_rate=1e-2, seed=3)
    images = LabelledImages(source.pixels, source.rows, source.labels, source.patients)
    fit(model, BACKBONE, binary_crossentropy, images, images, plan, treatment=treatment)
    first = batch_norms(model)[0]
    gamma, _ = treatment.of_layer[first.name]
    assert gamma is not None
    assert np.abs(gamma.numpy() - 1).max() > 1e-3 and np.abs(gamma.numpy() - first.gamma.numpy()).max() > 1e-4
    # The other cohort is brighter: had it entered, the moving mean would lie between the two.
    inputs = keras.Model(model.input, first.input)
    means = [
        inputs(to_input(BACKBONE, tf.constant(pixels, tf.float32))).numpy().mean(axis=(0, 1, 2))
        for pixels in (source.pixels, source.companion.pixels)  # pyright: ignore[reportOptionalMemberAccess]
    ]
    distances = [np.abs(first.moving_mean.numpy() - mean).mean() for mean in means]
    assert distances[0] < distances[1] / 2


def test_the_reversal_follows_its_formula() -> None:
    assert reversal_at(0.0) == 0.0
    assert reversal_at(0.3) == pytest.approx(2 / (1 + np.exp(-3)) - 1)
    assert reversal_at(1.0) == pytest.approx(0.99991, abs=1e-5)


def test_a_reversed_gradient_is_minus_the_finite_difference() -> None:
    values, strength = np.random.default_rng(0).normal(size=(3, 2)), 0.4
    inputs, step = tf.Variable(values), 1e-5

    def function(of: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.sin(of) * tf.square(of))

    with tf.GradientTape() as tape:
        total = function(reverse_gradient(inputs, tf.constant(strength, tf.float64)))
    assert float(total) == pytest.approx(float(function(inputs)))
    found = tape.gradient(total, inputs)
    for place in np.ndindex(values.shape):
        moved = [values.copy() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        slope = float(function(tf.constant(moved[0])) - function(tf.constant(moved[1]))) / (2 * step)
        assert float(found[place]) == pytest.approx(-strength * slope, rel=1e-5, abs=1e-8)


def test_the_strength_of_the_reversal_is_drawn_anew_in_every_step() -> None:
    treatment = DomainAdversarial(material("dann", strength=2.0))
    drawn = [treatment.extras(draw(CHOSEN, progress=progress))[4] for progress in (0.0, 0.2, 1.0)]
    np.testing.assert_allclose(drawn, [2 * reversal_at(each) for each in (0.0, 0.2, 1.0)], rtol=1e-6)


@pytest.mark.parametrize("supervised", [True, False])
def test_without_supervision_the_labels_of_the_own_cohort_move_nothing(supervised: bool) -> None:
    """The gradient by the last layer, which the head of the cohort does not see, tells which labels count."""
    source, model = material("dann", supervised=supervised), new_model()
    treatment = DomainAdversarial(source)
    treatment.attach(model)
    forward = make_forward(model, BACKBONE, 1, POOLED)
    batch = batch_for(treatment, source, CHOSEN, progress=0.5)
    gradients = []
    for labels in (batch.labels, 1 - batch.labels):
        with tf.GradientTape() as tape:
            _, minimised = treatment.loss(binary_crossentropy, batch._replace(labels=labels), forward)
        gradients.append(tape.gradient(minimised, model.trainable_variables[-2].value).numpy())
    assert np.allclose(*gradients) is not supervised


def shifted(seed: int, offset: int) -> tuple[Material, keras.Model]:
    """Two cohorts that differ by a grey alone."""
    source = material("dann", strength=1.0)
    assert source.companion is not None
    rng = np.random.default_rng(seed)
    for pixels, grey in ((source.pixels, 60), (source.companion.pixels, 60 + offset)):
        pixels[:] = grey + rng.integers(0, 30, pixels.shape)
    return source, new_model()


def test_the_cohort_is_told_from_features_where_the_images_differ_alone() -> None:
    differ, same = (DomainAdversarial(shifted(0, offset)[0]).cohort_accuracy(new_model()) for offset in (60, 0))
    assert differ > 0.95
    assert 0.2 < same < 0.8


def test_the_accuracy_of_a_probe_is_by_patient() -> None:
    """Features that name the patient and not the class are of no use for new patients."""
    patients = np.repeat(np.arange(2 * PATIENTS), SLICES)
    classes = patients % 2
    rng = np.random.default_rng(2)
    of_patient = rng.normal(size=(2 * PATIENTS, 3))[patients]
    assert probe_accuracy(of_patient, classes, patients) < 0.85
    assert probe_accuracy(np.column_stack([of_patient, 5 * classes]), classes, patients) == 1.0
    assert np.isnan(probe_accuracy(of_patient, (patients == 0).astype(int), patients))
