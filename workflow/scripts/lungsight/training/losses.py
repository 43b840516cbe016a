"""Compute the loss that a training minimises, and which images it classifies correctly, from the network's outputs.

To add a loss, add an entry to LOSSES, for two classes, and one to CATEGORICAL_LOSSES, for more, and its word under
`training.loss` in the config's schema. A loss is always computed from the logit, where a saturated sigmoid costs no
precision; Keras does the same for a sigmoid output.

References
----------
Breiman, L. et al. (1984). Classification and regression trees.
Szegedy, C. et al. (2016). Rethinking the Inception architecture for computer vision.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow as tf


class Measured(NamedTuple):
    """The loss (n,) float32 of n images, and whether each is classified correctly (n,) bool."""

    loss: tf.Tensor
    correct: tf.Tensor


class Objective(Protocol):
    """A loss with its settings: labels (n,) and outputs (n, k) → `Measured`."""

    def __call__(self, labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor) -> Measured:
        """Compute the loss of each image, and whether it is classified correctly."""
        ...


def binary_crossentropy(
    labels: np.ndarray | tf.Tensor,
    outputs: np.ndarray | tf.Tensor,
    smoothing: float = 0.0,
    class_weights: tuple[float, float] = (1.0, 1.0),
) -> Measured:
    """Compute the binary cross-entropy of one logit; a logit ≥ 0, that is a probability ≥ 0.5, predicts label 1.

    Parameters
    ----------
    labels
        (n,), 0 or 1.
    outputs
        (n, 1) logits.
    smoothing
        The targets are smoothing / 2 and 1 − smoothing / 2 (Szegedy 2016).
    class_weights
        Factors of the loss of label 0 and of label 1.
    """
    truth, logits = tf.cast(labels, tf.float32), outputs[:, 0]
    targets = truth * (1.0 - smoothing) + smoothing / 2
    loss = tf.nn.sigmoid_cross_entropy_with_logits(labels=targets, logits=logits)
    return Measured(loss * tf.gather(class_weights, tf.cast(labels, tf.int32)), tf.equal(logits >= 0, truth > 0.5))


def class_costs(labels: np.ndarray, configured: Sequence[float] | None) -> tuple[float, float]:
    """Return the costs w of label 0 and label 1 in the cost-sensitive cross-entropy −w_y log p_y.

    Parameters
    ----------
    labels
        (n,) of the training images.
    configured
        Costs of the positive and the negative class. None: the cost of a class is the share of the other class among
        `labels`.
    """
    if configured is not None:
        positive, negative = configured
        return negative, positive
    share = float(np.mean(labels))
    return share, 1.0 - share


def balanced_weights(labels: np.ndarray) -> tuple[float, float]:
    """Return n / (2 n_class) for label 0 and label 1: both classes weigh the same, and the mean weight is 1."""
    counts = np.bincount(labels, minlength=2)
    negative, positive = len(labels) / (2 * np.maximum(counts, 1))
    return float(negative), float(positive)


# By the word of the config: (labels of the training images, the config's `training` section) → objective.
LOSSES: dict[str, Callable[[np.ndarray, dict[str, Any]], Objective]] = {
    "binary_crossentropy": lambda labels, settings: weighted(settings, (1.0, 1.0)),
    "class_weighted": lambda labels, settings: weighted(settings, balanced_weights(labels)),
    "cost_sensitive": lambda labels, settings: weighted(settings, class_costs(labels, settings.get("class_costs"))),
}


def weighted(settings: dict[str, Any], class_weights: tuple[float, float]) -> Objective:
    """Return the binary cross-entropy with the configured label smoothing and these class weights."""
    return partial(binary_crossentropy, smoothing=settings["label_smoothing"], class_weights=class_weights)


def weighted_categorical_crossentropy(
    labels: np.ndarray | tf.Tensor, outputs: np.ndarray | tf.Tensor, smoothing: float, class_weights: Sequence[float]
) -> Measured:
    """Compute the cross-entropy −w_y Σ_j t_j log p_j of k logits; the largest logit predicts the class.

    Parameters
    ----------
    labels
        (n,), 0 … k − 1.
    outputs
        (n, k) logits.
    smoothing
        The targets t are smoothing / k, and 1 − smoothing + smoothing / k for the true class (Szegedy 2016).
    class_weights
        (k,), the factors w of the loss of each class.
    """
    truth, k = tf.cast(labels, tf.int32), len(class_weights)
    targets = tf.one_hot(truth, k) * (1.0 - smoothing) + smoothing / k
    loss = tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=outputs)
    weights = tf.gather(tf.constant(class_weights, tf.float32), truth)
    return Measured(loss * weights, tf.equal(tf.argmax(outputs, axis=1, output_type=tf.int32), truth))


def balanced_weights_of(labels: np.ndarray, k: int) -> list[float]:
    """Return n / (k n_class) for each of k classes, as `balanced_weights` does for two."""
    return (len(labels) / (k * np.maximum(np.bincount(labels, minlength=k), 1))).tolist()


def costs_of_classes(labels: np.ndarray, configured: Sequence[Any] | None, k: int) -> list[float]:
    """Return the costs w of k classes in the cost-sensitive cross-entropy −w_y log p_y.

    Parameters
    ----------
    labels
        (n,) of the training images.
    configured
        k costs, or a matrix of k × k whose row i holds what it costs to take class i for each class: the cost of a
        class is then the sum of its row (Breiman 1984). None: the share of the other classes among `labels`.
    """
    if configured is None:
        return (1 - np.bincount(labels, minlength=k) / len(labels)).tolist()
    return np.asarray(configured, dtype=float).reshape(k, -1).sum(axis=1).tolist()


# By the same words, for k > 2 classes: (labels of the training images, the config's `training` section, k) → objective.
CATEGORICAL_LOSSES: dict[str, Callable[[np.ndarray, dict[str, Any], int], Objective]] = {
    "binary_crossentropy": lambda labels, settings, k: categorical(settings, [1.0] * k),
    "class_weighted": lambda labels, settings, k: categorical(settings, balanced_weights_of(labels, k)),
    "cost_sensitive": lambda labels, settings, k: categorical(
        settings, costs_of_classes(labels, settings.get("class_costs"), k)
    ),
}


def categorical(settings: dict[str, Any], class_weights: Sequence[float]) -> Objective:
    """Return the categorical cross-entropy with the configured label smoothing and these class weights."""
    smoothing = settings["label_smoothing"]
    return partial(weighted_categorical_crossentropy, smoothing=smoothing, class_weights=class_weights)
