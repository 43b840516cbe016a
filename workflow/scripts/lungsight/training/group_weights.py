"""Minimise the loss of the worst group of source and class, by weights that follow the losses.

References
----------
Sagawa, S. et al. (2020). Distributionally robust neural networks for group shifts. ICLR, algorithm 1.
"""

import numpy as np
import pandas as pd
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.losses import Measured, Objective
from lungsight.training.treatment import Batch, Draw, Forward, Material, Treatment

COINCIDE = (
    "the source of a slice tells its class: each source has one class alone, so no group sets them apart. Leave"
    " group_dro out"
)


def coincide(sources: np.ndarray, labels: np.ndarray) -> bool:
    """Return whether there are several sources, and each has one class alone."""
    classes = pd.DataFrame({"source": sources, "label": labels}).groupby("source")["label"].nunique()
    return bool(len(classes) > 1 and (classes == 1).all())


def groups_of(sources: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Give the number of each image's group among those of source and class, (n,) int32, in their sorted order."""
    pairs = pd.MultiIndex.from_arrays([sources, labels])
    return pairs.remove_unused_levels().factorize(sort=True)[0].astype(np.int32)


def mean_by_group_of(losses: tf.Tensor, groups: tf.Tensor, n: int) -> tf.Tensor:
    """Average losses (m,) over each of n groups, (n,); 0 for a group that is absent."""
    sums = tf.math.unsorted_segment_sum(losses, groups, n)
    counts = tf.math.unsorted_segment_sum(tf.ones_like(losses), groups, n)
    return tf.math.divide_no_nan(sums, counts)


def next_weights(weights: tf.Tensor, losses: tf.Tensor, step_size: float) -> tf.Tensor:
    """Return the weights q_g exp(η loss_g) / Σ q exp(η loss), (n,), of n groups."""
    grown = weights * tf.exp(step_size * losses)
    return grown / tf.reduce_sum(grown)


class GroupDro(Treatment):
    """Weigh the groups of a step. The weights go on from step to step."""

    def __init__(self, material: Material) -> None:
        if coincide(material.sources, material.labels):
            raise UserError(f"pipelines.remedies: group_dro: {COINCIDE}.")
        self.groups = groups_of(material.sources, material.labels)
        self.step_size, self.n = float(material.settings["step_size"]), int(self.groups.max()) + 1
        self.weights = tf.Variable(tf.fill([self.n], 1.0 / self.n), trainable=False)
        self.variables, self.signature = (self.weights,), (tf.TensorSpec((None,), tf.int32),)

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Give the group of each slice of a step."""
        return (self.groups[draw.chosen],)

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Compute Σ q_g loss_g with the weights after this step."""
        measured = objective(batch.labels, forward(batch.pictures).logits)
        in_bag = tf.shape(batch.extras[0])[0] // tf.shape(batch.labels)[0]
        losses = mean_by_group_of(measured.loss, batch.extras[0][::in_bag], self.n)
        weights = next_weights(self.weights, tf.stop_gradient(losses), self.step_size)
        self.weights.assign(weights)
        return measured, tf.reduce_sum(weights * losses)
