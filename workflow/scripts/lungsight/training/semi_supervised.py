"""Learn classes from one cohort, and from another without labels, beside generated slices that are to be recognised.

References
----------
Madani, A. et al. (2018). Semi-supervised learning with generative adversarial networks for chest X-ray classification
with ability of data domain adaptation. ISBI.
Salimans, T. et al. (2016). Improved techniques for training GANs. NeurIPS.
"""

import keras
import numpy as np
import tensorflow as tf

from lungsight.training.augmentation import augment
from lungsight.training.bags import mean_of_bags
from lungsight.training.domains import WithCompanion
from lungsight.training.generated import at_size
from lungsight.training.losses import Measured, Objective
from lungsight.training.network import POOLED
from lungsight.training.treatment import Batch, Draw, Forward, Material


def class_logits(outputs: tf.Tensor) -> tf.Tensor:
    """Return a logit for each of n classes, (m, n) float32, from a network's outputs (m, k).

    One output z is the difference of the logits of label 1 and label 0. They are z / 2 and -z / 2: what the softmax
    cannot see, their mean, is 0, and both classes are treated alike. With (z, 0), "real" would push z up, towards label
    1. Several outputs are the logits.
    """
    outputs = tf.cast(outputs, tf.float32)
    return tf.concat([-outputs / 2.0, outputs / 2.0], axis=1) if outputs.shape[1] == 1 else outputs


def margin_of_real(outputs: tf.Tensor, generated: tf.Tensor) -> tf.Tensor:
    """Return the logit of the probability that an image is real, (m,) float32.

    Parameters
    ----------
    outputs
        (m, k), of the network.
    generated
        (m,), the logit g of "generated".

    Returns
    -------
    log Z - g, with Z the sum of the exponentials of the class logits. The softmax over n + 1 logits gives
    p(real) = Z / (Z + exp(g)): with g = 0, equation 6 of Salimans 2016.
    """
    return tf.reduce_logsumexp(class_logits(outputs), axis=1) - generated


class SemiSupervised(WithCompanion):
    """Minimise the loss of the other cohort's labels, of own images that are real, and of generated ones that are not.

    The logit of "generated" is a linear function of the pooled features. It is trained with the network, and not saved:
    without it the softmax over the classes is that of the network.
    """

    layer = POOLED

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        if material.generated is None:
            raise ValueError("this remedy needs generated slices")
        self.pixels = at_size(material.generated, material.size)
        self.real_weight, self.generated_weight = (
            float(material.settings[name]) for name in ("real_weight", "generated_weight")
        )
        images, _, *augmentation = self.signature
        self.signature = (*self.signature, images, *augmentation)

    def attach(self, model: keras.Model) -> None:
        """Make the output for "generated"."""
        channels = model.get_layer(POOLED).output.shape[-1]
        self.head = keras.Sequential([keras.Input((channels,)), keras.layers.Dense(1, dtype="float32")])
        self.trainable = self.variables = tuple(self.head.trainable_variables)

    def classes_of_companion(self, chosen: np.ndarray) -> np.ndarray:
        """Choose all classes in turn: the labels of its own are not to be used."""
        return self.every_class_in_turn(len(chosen))

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw images of the other cohort, and as many generated ones, each with its augmentation."""
        of_companion, n = super().extras(draw), len(draw.chosen)
        generated = self.pixels[draw.rng.integers(len(self.pixels), size=n)]
        return (*of_companion, generated, *self.augmentation_of(draw, n))

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add the three losses. What is measured is of the own images, and moves nothing."""
        generated = augment(*batch.extras[4:])
        outputs = forward(tf.concat([batch.pictures, self.pictures(batch), generated], axis=0))
        if outputs.features is None:
            raise ValueError("the treatment names a layer, and the step gives no features of it")
        own, other, _ = tf.split(outputs.logits, 3)
        features = mean_of_bags(tf.cast(outputs.features, tf.float32), self.material.bag_size)
        real, _, made = tf.split(margin_of_real(outputs.logits, self.head(features)[:, 0]), 3)
        of_class = tf.reduce_mean(objective(batch.extras[1], other).loss)
        of_real, of_generated = (tf.reduce_mean(tf.nn.softplus(margin)) for margin in (-real, made))
        minimised = of_class + self.real_weight * of_real + self.generated_weight * of_generated
        return objective(batch.labels, own), minimised
