"""What a training minimises and what it counts as right, from the network's raw outputs.

A loss of the config is an entry of LOSSES and a word under `training.loss` in the config's schema. The loss is always
computed from the logit, which a sigmoid that saturates cannot spoil; Keras does the same for a sigmoid output.
"""

from collections.abc import Callable, Sequence
from functools import partial
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


def binary_crossentropy(
    labels: np.ndarray | tf.Tensor,
    outputs: np.ndarray | tf.Tensor,
    smoothing: float = 0.0,
    class_weights: tuple[float, float] = (1.0, 1.0),
) -> Measured:
    """labels 0 or 1 against one logit (n, 1); right is a logit ≥ 0 for 1, that is a probability ≥ 0.5.

    smoothing: the targets are smoothing / 2 and 1 − smoothing / 2 (Szegedy 2016). class_weights: factors of the loss of
    label 0 and 1.
    """
    truth, logits = tf.cast(labels, tf.float32), outputs[:, 0]
    targets = truth * (1.0 - smoothing) + smoothing / 2
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    return Measured(loss * tf.gather(class_weights, tf.cast(labels, tf.int32)), tf.equal(logits >= 0, truth > 0.5))


def class_costs(labels: np.ndarray, given: Sequence[float] | None) -> tuple[float, float]:
    """Costs w of label 0 and 1 in the cost-sensitive cross-entropy −w_y log p_y.

    given: of the positive and the negative class; None: each costs as much as the other one is frequent among `labels`.
    """
    if given is not None:
        positive, negative = given
        return negative, positive
    share = float(np.mean(labels))
    return share, 1.0 - share


def categorical_crossentropy(labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured:
    """labels 0 … k−1 against k logits (n, k)."""
    truth = tf.cast(labels, tf.int64)
    loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=truth, logits=outputs)
    return Measured(loss, tf.equal(tf.argmax(outputs, axis=1), truth))


def balanced_weights(labels: np.ndarray) -> tuple[float, float]:
    """n / (2 n_class) for label 0 and 1: both classes weigh the same, and the mean weight is 1."""
    counts = np.bincount(labels, minlength=2)
    negative, positive = len(labels) / (2 * np.maximum(counts, 1))
    return float(negative), float(positive)


# By the word of the config: (labels of the training images, the config's `training`) → objective.
LOSSES: dict[str, Callable[[np.ndarray, dict], Objective]] = {
    "binary_crossentropy": lambda labels, settings: weighted(settings, (1.0, 1.0)),
    "class_weighted": lambda labels, settings: weighted(settings, balanced_weights(labels)),
    "cost_sensitive": lambda labels, settings: weighted(settings, class_costs(labels, settings.get("class_costs"))),
}


def weighted(settings: dict, class_weights: tuple[float, float]) -> Objective:
    """The binary cross-entropy with the label smoothing of the config's `training` and these class weights."""
    return partial(binary_crossentropy, smoothing=settings["label_smoothing"], class_weights=class_weights)
