"""Bags: slices of one patient that are answered together, from the mean of their pooled features.

The network stays one of slices: what stands before the pooled features sees one slice at a time, what stands behind
them sees their mean. A bag of one slice is that slice.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from lungsight.training.network import POOLED
from lungsight.training.provenance import bag_size_of

Head = Callable[[np.ndarray], np.ndarray]


def in_two_parts(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """A classifier as images → pooled features (n, channels), and those → its outputs; both share its weights."""
    pooled = model.get_layer(POOLED).output
    return keras.Model(model.input, pooled), keras.Model(pooled, model.output)


def draw_bags(rng: np.random.Generator, groups: np.ndarray, size: int) -> np.ndarray:
    """Positions 0 … n−1 in bags of `size`, (bags, size) int, all of one group each.

    groups: (n,) int, the patient of each. Every slice is in a bag; a group whose number does not divide by `size` fills
    its last bag up with slices drawn from all of its own.
    """
    bags = []
    for group in np.unique(groups):
        own = rng.permutation(np.flatnonzero(groups == group))
        missing = -len(own) % size
        bags.append(np.concatenate([own, rng.choice(own, missing)]).reshape(-1, size))
    return np.concatenate(bags)


def count_bags(groups: np.ndarray, size: int) -> int:
    """How many bags `draw_bags` makes."""
    _, counts = np.unique(groups, return_counts=True)
    return int((-(-counts // size)).sum())


def mean_by_group(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Mean features of each group, (g, channels), in the order of the groups' numbers 0 … g−1."""
    sums = np.zeros((groups.max() + 1, features.shape[1]))
    np.add.at(sums, groups, features)
    return sums / np.bincount(groups)[:, None]


def predict_bags(model: keras.Model, size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function for training: inputs (bags · size, …), a bag's one after the other → outputs (bags, k)."""
    if size == 1:
        return lambda inputs: model(inputs, training=True)
    features, head = in_two_parts(model)

    def answer(inputs: tf.Tensor) -> tf.Tensor:
        pooled = features(inputs, training=True)
        return head(tf.reduce_mean(tf.reshape(pooled, (-1, size, pooled.shape[1])), axis=1), training=True)

    return answer


def numpy_head(model: keras.Model) -> Head:
    """What stands behind the pooled features as a function (n, channels) → outputs (n, k), float64."""
    _, head = in_two_parts(model)
    return lambda features: head(tf.constant(features, tf.float32), training=False).numpy().astype(np.float64)


def predict_patient(model: keras.Model, provenance: dict) -> Callable[[np.ndarray, np.ndarray], float]:
    """How a patient is answered: a function of the slices' probabilities (n,) and pooled features (n, channels).

    model: ends in the probability. Trained on bags, by its provenance, the answer is what the network says of the mean
    features; else it is the mean probability.
    """
    if bag_size_of(provenance) == 1:
        return lambda probability, features: float(probability.mean())
    head = numpy_head(model)
    return lambda probability, features: float(head(features.mean(axis=0, keepdims=True))[0, 0])


def numbered(*columns: Sequence) -> np.ndarray:
    """(n,) int: the group of each row, rows alike in all columns, numbered in order of first appearance."""
    known: dict[tuple, int] = {}
    return np.array([known.setdefault(row, len(known)) for row in zip(*columns, strict=True)], dtype=int)
