"""Train on two cohorts at once: normalise each by itself, or make their features alike.

References
----------
Chang, W.-G. et al. (2019). Domain-specific batch normalization for unsupervised domain adaptation. CVPR.
Ganin, Y. et al. (2016). Domain-adversarial training of neural networks. JMLR 17.
Wang, Z., Liu, Q. and Dou, Q. (2020). Contrastive cross-site learning with redesigned net for COVID-19 CT
classification. IEEE JBHI.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.linear_classifier import probe_accuracy
from lungsight.training.augmentation import Augmentation, augment, draw_augmentation, no_augmentation
from lungsight.training.bags import group_numbers
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Measured, Objective
from lungsight.training.network import POOLED, batch_norms, pooled_inference, run_in_batches
from lungsight.training.treatment import Batch, Draw, Forward, Material, Treatment

STEEPNESS = 10.0  # of the rise of the reversed gradient (Ganin 2016)
PROBED = 400  # images of each cohort from whose features the cohort is predicted


def draw_alike(rng: np.random.Generator, images: LabelledImages, labels: np.ndarray, bag_size: int) -> np.ndarray:
    """Draw for every label a bag of that label; returns positions (n, bag_size) int. A class that is short repeats."""
    bags = images.bags(rng, bag_size)
    of_bags, chosen = images.labels[bags[:, 0]], np.empty((len(labels), bag_size), int)
    for label in np.unique(labels):
        wanted, found = np.flatnonzero(labels == label), np.flatnonzero(of_bags == label)
        chosen[wanted] = bags[rng.choice(found, len(wanted), replace=len(wanted) > len(found))]
    return chosen


class WithCompanion(Treatment):
    """A treatment whose steps see images of another cohort, as many as of its own, and of the same classes."""

    def __init__(self, material: Material) -> None:
        if material.companion is None:
            raise ValueError("this remedy needs the images of another cohort")
        self.material, self.companion = material, material.companion
        absent = set(np.unique(material.labels)) - set(np.unique(self.companion.labels))
        if absent:
            raise UserError(
                f"pipelines.remedies: {material.settings['name']} takes training images of each class from the cohort"
                f" of stage 1, and {len(absent)} of the classes are in stage 2 alone. Leave the remedy out."
            )
        self.signature = (
            tf.TensorSpec((None, material.size, material.size), tf.uint8),
            tf.TensorSpec((None,), tf.int32),
            tf.TensorSpec((None, 8), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        )

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw images of the other cohort, with their labels and augmentation."""
        size = self.material.bag_size
        bags = draw_alike(draw.rng, self.companion, self.classes_of_companion(draw.chosen[::size]), size)
        pixels, labels = self.companion.batch(bags.ravel())
        return (pixels, labels[::size].astype(np.int32), *self.augmentation_of(draw, len(pixels)))

    def augmentation_of(self, draw: Draw, n: int) -> Augmentation:
        """Draw the augmentation of n images, as the config has it for those of the cohort that is trained on."""
        settings = self.material.augmentation
        return no_augmentation(n) if settings is None else draw_augmentation(draw.rng, n, self.material.size, settings)

    def classes_of_companion(self, chosen: np.ndarray) -> np.ndarray:
        """Choose the classes of the other cohort's bags in a step: those of its own."""
        return self.material.labels[chosen]

    def every_class_in_turn(self, n: int) -> np.ndarray:
        """Choose the classes of n bags of the other cohort without a look at those of its own."""
        return np.resize(np.unique(self.companion.labels), n)

    def pictures(self, batch: Batch) -> tf.Tensor:
        """Augment the images of the other cohort."""
        images, _, transforms, brightness = batch.extras[:4]
        return augment(images, transforms, brightness)


def normalised(
    inputs: tf.Tensor, gamma: keras.Variable | None, beta: keras.Variable | None, epsilon: float
) -> tf.Tensor:
    """Normalise a batch (n, …, channels) by its own mean and variance; the statistics are computed in float32."""
    mean, variance = tf.nn.moments(tf.cast(inputs, tf.float32), axes=[*range(len(inputs.shape) - 1)])
    scale, offset = (None if variable is None else tf.cast(variable.value, tf.float32) for variable in (gamma, beta))
    affine: Any = {"offset": offset, "scale": scale}  # TensorFlow takes None; its stub does not say so
    wide = tf.cast(inputs, tf.float32)
    return tf.cast(tf.nn.batch_normalization(wide, mean, variance, variance_epsilon=epsilon, **affine), inputs.dtype)


class DomainNorm(WithCompanion):
    """Give the other cohort batch normalisations of its own: statistics, scales and offsets."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self.weight = float(material.settings["weight"])
        self.of_layer: dict[str, tuple[keras.Variable | None, keras.Variable | None]] = {}

    def attach(self, model: keras.Model) -> None:
        """Copy the scales and offsets of the network. Its own stay those of the cohort that is trained on."""
        for layer in batch_norms(model):
            self.of_layer[layer.name] = (_copy(layer.gamma), _copy(layer.beta))
        self.trainable = tuple(each for pair in self.of_layer.values() for each in pair if each is not None)
        self.variables = self.trainable

    @contextmanager
    def normalising(self, model: keras.Model) -> Iterator[None]:
        """Normalise by the other cohort's own inside. The moving statistics of the network stay as they are."""
        layers: list[Any] = batch_norms(model)
        before = [vars(layer).get("call") for layer in layers]
        try:
            for layer in layers:
                gamma, beta = self.of_layer[layer.name]
                layer.call = _call(gamma, beta, layer.epsilon)
            yield
        finally:
            for layer, own in zip(layers, before, strict=True):
                layer.__dict__.pop("call") if own is None else setattr(layer, "call", own)

    @contextmanager
    def tracing(self, model: keras.Model, extras: tuple[tf.Tensor, ...]) -> Iterator[None]:
        """Remember the network whose step is traced."""
        self.model = model
        yield

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add weight × the mean loss of the other cohort's images; both by 1 + weight."""
        measured = objective(batch.labels, forward(batch.pictures).logits)
        with self.normalising(self.model):
            of_other = objective(batch.extras[1], forward(self.pictures(batch)).logits)
        both = tf.reduce_mean(measured.loss) + self.weight * tf.reduce_mean(of_other.loss)
        return measured, both / (1.0 + self.weight)


def _copy(variable: keras.Variable | None) -> keras.Variable | None:
    return None if variable is None else keras.Variable(variable.numpy(), dtype="float32")


def _call(gamma: keras.Variable | None, beta: keras.Variable | None, epsilon: float) -> Any:
    def call(inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:
        return normalised(inputs, gamma, beta, epsilon)

    return call


def reversal_at(progress: float) -> float:
    """Return λ = 2 / (1 + e^(−10 p)) − 1, from 0 at the start to 1 at the end (Ganin 2016)."""
    return 2.0 / (1.0 + float(np.exp(-STEEPNESS * progress))) - 1.0


def reverse_gradient(features: tf.Tensor, strength: tf.Tensor) -> tf.Tensor:
    """Return the features as they are; their gradient is that of what follows, times −strength."""

    @tf.custom_gradient
    def reversing(values: tf.Tensor, factor: tf.Tensor) -> Any:
        return tf.identity(values), lambda upstream: (-tf.cast(factor, upstream.dtype) * upstream, None)

    return reversing(features, strength)


class DomainAdversarial(WithCompanion):
    """Train a second head to tell the cohort from the pooled features, and the features so that it cannot."""

    layer = POOLED

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self.strength, self.supervised = float(material.settings["strength"]), bool(material.settings["supervised"])
        self.units, self.before = int(material.settings["units"]), 0.0
        # A tensor of each step: a Python number would stay what it was when the step was traced.
        self.signature = (*self.signature, tf.TensorSpec((), tf.float32))

    def attach(self, model: keras.Model) -> None:
        """Make the head that tells the cohort, and measure how well the features tell it before the training."""
        self.before = self.cohort_accuracy(model)
        channels = model.get_layer(POOLED).output.shape[-1]
        hidden = keras.layers.Dense(self.units, activation="relu", dtype="float32")
        self.head = keras.Sequential([keras.Input((channels,)), hidden, keras.layers.Dense(1, dtype="float32")])
        self.trainable = self.variables = tuple(self.head.trainable_variables)

    def classes_of_companion(self, chosen: np.ndarray) -> np.ndarray:
        """Choose the classes of the step's own, or all in turn where those are not to be used."""
        if self.supervised:
            return super().classes_of_companion(chosen)
        return self.every_class_in_turn(len(chosen))

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw images of the other cohort, and how strongly the gradient is reversed yet."""
        return (*super().extras(draw), np.asarray(self.strength * reversal_at(draw.progress), np.float32))

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add the loss of the head that tells the cohort; its gradient is reversed behind the head."""
        outputs = forward(tf.concat([batch.pictures, self.pictures(batch)], axis=0))
        own, other = tf.split(outputs.logits, 2)
        measured, of_other = objective(batch.labels, own), objective(batch.extras[1], other)
        if outputs.features is None:
            raise ValueError("the treatment names a layer, and the step gives no features of it")
        features = reverse_gradient(tf.cast(outputs.features, tf.float32), batch.extras[4])
        scores, half = self.head(features)[:, 0], tf.shape(batch.pictures)[0]
        cohorts = tf.concat([tf.ones(half), tf.zeros(half)], axis=0)
        of_cohort = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(cohorts, scores))
        of_class = tf.reduce_mean(of_other.loss)
        if self.supervised:
            of_class = (of_class + tf.reduce_mean(measured.loss)) / 2.0
        return measured, of_class + of_cohort

    def findings(self, model: keras.Model) -> dict[str, Any]:
        """Measure how well the features tell the cohort before and after the training."""
        return {"cohort_accuracy": {"before": self.before, "after": self.cohort_accuracy(model)}}

    def cohort_accuracy(self, model: keras.Model) -> float:
        """Predict the cohort of training images from their pooled features: balanced accuracy, by patient."""
        inference = pooled_inference(model, self.material.backbone)
        own = LabelledImages(self.material.pixels, self.material.rows, self.material.labels, self.material.patients)
        chosen = [np.unique(np.linspace(0, len(each) - 1, PROBED).astype(int)) for each in (own, self.companion)]
        cohorts = np.repeat([0, 1], [len(each) for each in chosen])
        features, patients = [], []
        for images, places in zip((own, self.companion), chosen, strict=True):
            features.append(run_in_batches(inference, images.pixels, images.rows[places]))
            patients.append(images.groups()[places])
        return probe_accuracy(np.concatenate(features), cohorts, group_numbers(cohorts, np.concatenate(patients)))
