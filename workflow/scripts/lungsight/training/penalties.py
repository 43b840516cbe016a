"""Add to the loss what a network takes from outside of the lung.

References
----------
Li, K. et al. (2018). Tell me where to look: guided attention inference network. CVPR.
Ross, A. S., Hughes, M. C. and Doshi-Velez, F. (2017). Right for the right reasons: training differentiable models by
constraining their explanations. IJCAI.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.losses import Measured, Objective
from lungsight.training.treatment import Batch, Draw, Forward, Material, Treatment, outside_the_lung, own_margin

GREYS = 255.0  # a gradient is by the share of the full range of greys
TINY = 1e-6


class _WithLungs(Treatment):
    """A treatment that sees the lungs of the slices of a step."""

    def __init__(self, material: Material) -> None:
        self.material, self.strength = material, float(material.settings["strength"])
        self.reach = round(material.settings["margin"] * material.size)
        self.signature = (tf.TensorSpec((None, material.size, material.size), tf.uint8),)
        if not material.usable.any():
            raise UserError(
                f"pipelines.remedies: {material.settings['name']} needs lung masks, and no training slice has lung in a"
                " mask that passed quality control. Leave it out, or check the masks."
            )

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Give the lungs of the slices of a step."""
        return (self.material.lungs_at(draw.chosen),)

    def outside(self, batch: Batch) -> tf.Tensor:
        """Weigh the pixels outside of the lungs and their margin."""
        return outside_the_lung(batch.extras[0], self.reach, batch.transforms)


class BackgroundPenalty(_WithLungs):
    """Penalise the squared gradient of the logit by what is outside of the lung."""

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add strength × the mean over slices of Σ outside (∂ margin / ∂ grey)²."""
        with tf.GradientTape() as tape:
            tape.watch(batch.pictures)
            logits = forward(batch.pictures).logits
            margin = tf.reduce_sum(own_margin(batch.labels, logits))
        gradients: Any = tape.gradient(margin, batch.pictures)
        by_grey = GREYS * tf.cast(gradients, tf.float32)
        penalty = tf.reduce_sum(self.outside(batch) * tf.square(by_grey), axis=(1, 2))
        measured = objective(batch.labels, logits)
        return measured, tf.reduce_mean(measured.loss) + self.strength * tf.reduce_mean(penalty)


def share_outside(maps: tf.Tensor, outside: tf.Tensor) -> tf.Tensor:
    """Return the share of maps (n, h, w) ≥ 0 that lies outside, (n,); of an empty map 0.

    outside: (n, size, size) weights, averaged over the pixels of a map.
    """
    at_map = tf.image.resize(tf.expand_dims(outside, -1), maps.shape[1:3], method="area")[..., 0]
    return tf.reduce_sum(maps * at_map, axis=(1, 2)) / (tf.reduce_sum(maps, axis=(1, 2)) + TINY)


def grad_cam(features: tf.Tensor, gradients: tf.Tensor) -> tf.Tensor:
    """Compute Grad-CAM (n, h, w) of features (n, h, w, c) and the score's gradients by them.

    No gradient goes through the weights of the channels: a network could else lower its weights, and leave the features
    where they are.
    """
    weights = tf.stop_gradient(tf.reduce_mean(tf.cast(gradients, tf.float32), axis=(1, 2), keepdims=True))
    return tf.nn.relu(tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1))


def _present(features: tf.Tensor | None) -> tf.Tensor:
    if features is None:
        raise ValueError("the treatment names a layer, and the step gives no features of it")
    return features


class AttentionPenalty(_WithLungs):
    """Penalise the share of Grad-CAM that lies outside of the lung, at the layer that is explained."""

    def __init__(self, material: Material) -> None:
        super().__init__(material)
        self.layer, self.ramp = material.backbone.explained_layer, float(material.settings["ramp"])
        self.signature = (*self.signature, tf.TensorSpec((), tf.float32))

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Give the lungs, and the share of the strength that counts yet: it rises over the first part of a training."""
        risen = min(1.0, draw.progress / self.ramp) if self.ramp else 1.0
        return (*super().extras(draw), np.asarray(risen, np.float32))

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add strength × ramp × the mean share of Grad-CAM outside of the lung."""
        with tf.GradientTape() as tape:
            outputs = forward(batch.pictures)
            logits, features = outputs.logits, _present(outputs.features)
            margin = tf.reduce_sum(own_margin(batch.labels, logits))
        gradients: Any = tape.gradient(margin, features)
        share = share_outside(grad_cam(features, gradients), self.outside(batch))
        measured = objective(batch.labels, logits)
        return measured, tf.reduce_mean(measured.loss) + self.strength * batch.extras[1] * tf.reduce_mean(share)
