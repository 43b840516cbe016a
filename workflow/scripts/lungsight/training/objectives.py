"""What a training minimises and what it counts as right, from the network's raw outputs."""

from typing import NamedTuple, Protocol

import numpy as np
import tensorflow as tf


class Measured(NamedTuple):
    """Of n images: loss (n,) float32 and correct (n,) bool."""

    loss: tf.Tensor
    correct: tf.Tensor


class Objective(Protocol):
    """labels (n,), outputs (n, k) → `Measured`."""

    def __call__(self, labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured: ...


def binary_crossentropy(labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured:
    """labels 0 or 1 against one logit (n, 1); right is a logit ≥ 0 for 1, that is a probability ≥ 0.5."""
    truth, logits = tf.cast(labels, tf.float32), outputs[:, 0]
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=truth, logits=logits)
    return Measured(loss, tf.equal(logits >= 0, truth > 0.5))


def categorical_crossentropy(labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured:
    """labels 0 … k−1 against k logits (n, k)."""
    truth = tf.cast(labels, tf.int64)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=outputs)
    return Measured(loss, tf.equal(tf.argmax(outputs, axis=1), truth))
