"""Say what a remedy may change in training: the images, the pictures that the network sees, and the loss.

A `Treatment` without a remedy trains as ever. A remedy overrides what it changes. Everything random is drawn by NumPy
from the seed of the step, and enters the step as a tensor: a training that was cut short goes on with the numbers that
it would have had.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lungsight.training.augmentation import augment
from lungsight.training.backbones import Backbone
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Measured, Objective
from lungsight.training.sharded_array import Rows


@dataclass(frozen=True)
class Material:
    """What a treatment is made from.

    Attributes
    ----------
    settings
        Of the remedy, as the config has them.
    backbone
        Of the network.
    pixels
        Images (N, size, size) uint8, which may be memory-mapped.
    rows, labels, patients
        (n,) int: of each training image its row in `pixels`, its label, and its patient.
    lungs
        Lung masks (N, size, size) uint8 0/1 in the rows of `pixels`. None where no remedy needs them.
    accepted
        (n,) bool, whether the lung mask of a training image passed quality control.
    sources
        (n,), where each training image comes from.
    companion
        Training images of another cohort, whose labels are numbered alike. None where no remedy needs them.
    augmentation
        The config's `training.augmentation`. None: images as they are.
    bag_size
        Slices that are classified together.
    generated
        Generated slices of the same classes, at the generator's size. None where no remedy needs them.
    """

    settings: dict[str, Any]
    backbone: Backbone
    pixels: Rows
    rows: np.ndarray
    labels: np.ndarray
    patients: np.ndarray
    lungs: Rows | None = None
    accepted: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    sources: np.ndarray = field(default_factory=lambda: np.zeros(0, str))
    companion: LabelledImages | None = None
    augmentation: dict[str, Any] | None = None
    bag_size: int = 1
    generated: LabelledImages | None = None

    @property
    def size(self) -> int:
        """Rows and columns of an image."""
        return self.pixels.shape[1]

    def lungs_at(self, chosen: np.ndarray) -> np.ndarray:
        """Return the lung masks (n, size, size) uint8 at these positions, empty where one was not accepted.

        Raises ValueError where there are no masks.
        """
        if self.lungs is None:
            raise ValueError("this remedy needs the lung masks")
        return self.lungs[self.rows[chosen]] * self.accepted[chosen][:, None, None].astype(np.uint8)

    @cached_property
    def usable(self) -> np.ndarray:
        """Whether each training image has lung in an accepted mask, (n,) bool."""
        return np.array([bool(self.lungs_at(np.array([place])).any()) for place in range(len(self.rows))], dtype=bool)


class Draw(NamedTuple):
    """One step of a training.

    Attributes
    ----------
    chosen
        (n,) int, positions of its images among the training images.
    rng
        For what is drawn.
    progress
        Share of the training that is done, 0 to 1.
    """

    chosen: np.ndarray
    rng: np.random.Generator
    progress: float


class Batch(NamedTuple):
    """What the loss of a step sees. extras: what the treatment drew.

    pictures are (n, size, size) float32 in 0-255, augmented; labels (n / bag_size,) int32.
    """

    pictures: tf.Tensor
    labels: tf.Tensor
    transforms: tf.Tensor
    extras: tuple[tf.Tensor, ...]


class Outputs(NamedTuple):
    """The network's outputs (n, k), and the features of the treatment's layer where it names one."""

    logits: tf.Tensor
    features: tf.Tensor | None


Forward = Callable[[tf.Tensor], Outputs]


class Treatment:
    """A training without a remedy.

    Attributes
    ----------
    signature : tuple of tf.TensorSpec
        Of the extras.
    variables : tuple of tf.Variable
        What the treatment remembers from step to step. Checkpoints keep it.
    trainable : tuple of keras.Variable
        Of the variables, those that the optimizer moves beside the network's.
    layer : str or None
        Layer whose features the loss needs.
    """

    signature: tuple[tf.TensorSpec, ...] = ()
    variables: tuple[tf.Variable, ...] | tuple[keras.Variable, ...] = ()
    trainable: tuple[keras.Variable, ...] = ()
    layer: str | None = None

    def attach(self, model: keras.Model) -> None:
        """Make the variables that belong to a network, before its optimizer is made."""

    def findings(self, model: keras.Model) -> dict[str, Any]:
        """Measure after the training what the treatment did, for provenance.json."""
        return {}

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw what a step needs beyond images and labels, of the types of `signature`."""
        return ()

    def compose(self, images: tf.Tensor, extras: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Change images (n, size, size) uint8 before they are augmented."""
        return images

    def restyle(self, pictures: tf.Tensor, extras: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Change augmented pictures (n, size, size) float32 in 0-255 before the network sees them."""
        return pictures

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Compute what the objective measures of each image or bag, and the scalar that the step minimises."""
        measured = objective(batch.labels, forward(batch.pictures).logits)
        return measured, tf.reduce_mean(measured.loss)

    @contextmanager
    def tracing(self, model: keras.Model, extras: tuple[tf.Tensor, ...]) -> Iterator[None]:
        """Change the network for as long as a step is traced."""
        yield


def own_margin(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Return by how much the logit of an image's own class is above the others, (n,) float32.

    Parameters
    ----------
    labels
        (n,) int.
    logits
        (n, k). Of one logit the margin is the logit, or minus it for label 0. Of several it is the own logit minus the
        logarithm of the sum of the exponentials of the others: the logit of the probability.
    """
    logits = tf.cast(logits, tf.float32)
    if logits.shape[1] == 1:
        return logits[:, 0] * (2.0 * tf.cast(labels, tf.float32) - 1.0)
    own = tf.one_hot(labels, logits.shape[1])
    return tf.reduce_sum(own * logits, axis=1) - tf.reduce_logsumexp(logits - 1e9 * own, axis=1)


def widened(lungs: tf.Tensor, reach: int) -> tf.Tensor:
    """Add to masks (n, size, size) of 0 and 1 every pixel at most `reach` rows and columns away; float32."""
    masks = tf.cast(lungs, tf.float32)
    if reach == 0:
        return masks
    return tf.nn.max_pool2d(tf.expand_dims(masks, -1), 2 * reach + 1, 1, "SAME")[..., 0]


def outside_the_lung(lungs: tf.Tensor, reach: int, transforms: tf.Tensor) -> tf.Tensor:
    """Weigh the pixels outside of the lungs and their margin, as the pictures were augmented.

    Parameters
    ----------
    lungs
        (n, size, size), 0 or 1.
    reach
        Of the margin, in pixels.
    transforms
        (n, 8), as `Augmentation` has them.

    Returns
    -------
    (n, size, size) float32: 1 outside, 0 inside, and between at the rim of a turned mask. 0 everywhere where there is
    no lung, since nobody knows what is outside.
    """
    wide = widened(lungs, reach)
    known = tf.reduce_max(wide, axis=(1, 2), keepdims=True)
    outside = (1.0 - wide) * known
    return augment(255.0 * outside, transforms, tf.ones_like(transforms[:, 0])) / 255.0
