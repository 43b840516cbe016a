"""Pool the slices of a patient: one prediction from the mean of their pooled features.

A bag is a number of slices of one patient. The layers before the pooled features see one slice at a time; the layers
behind them see the mean of the bag. A bag of one slice is that slice.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.classes import classes_of_network
from lungsight.training.network import POOLED
from lungsight.training.provenance import bag_size_of

Head = Callable[[np.ndarray], np.ndarray]


def in_two_parts(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Split a classifier at its pooled features; both parts share its weights.

    Returns
    -------
    images → pooled features (n, channels), and pooled features → the classifier's outputs.
    """
    pooled = model.get_layer(POOLED).output
    return keras.Model(model.input, pooled), keras.Model(pooled, model.output)


def draw_bags(rng: np.random.Generator, groups: np.ndarray, size: int) -> np.ndarray:
    """Draw bags of `size` slices of one group each.

    Every slice is in a bag. Where `size` does not divide a group's number of slices, the last bag is filled up with
    slices drawn from the whole group.

    Parameters
    ----------
    rng
        Of this epoch.
    groups
        (n,) int, the patient of each slice.
    size
        Slices of a bag.

    Returns
    -------
    (bags, size) int, positions 0 … n − 1.
    """
    bags = []
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        missing = -len(members) % size
        bags.append(np.concatenate([members, rng.choice(members, missing)]).reshape(-1, size))
    return np.concatenate(bags)


def count_bags(groups: np.ndarray, size: int) -> int:
    """Count the bags that `draw_bags` makes."""
    _, counts = np.unique(groups, return_counts=True)
    return int((-(-counts // size)).sum())


def mean_by_group(features: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Average features (n, channels) over each group; returns (g, channels) for the groups numbered 0 … g − 1."""
    sums = np.zeros((groups.max() + 1, features.shape[1]))
    np.add.at(sums, groups, features)
    return sums / np.bincount(groups)[:, None]


def mean_of_bags(pooled: tf.Tensor, size: int) -> tf.Tensor:
    """Average pooled features (bags · size, channels) over each bag; returns (bags, channels)."""
    return tf.reduce_mean(tf.reshape(pooled, (-1, size, pooled.shape[1])), axis=1)


def predict_bags(model: keras.Model, size: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return the forward pass of a training step on bags.

    Returns
    -------
    A function of inputs (bags · size, …), a bag's slices one after the other. It returns the outputs (bags, k).
    """
    if size == 1:
        return lambda inputs: model(inputs, training=True)
    features, head = in_two_parts(model)

    def predict(inputs: tf.Tensor) -> tf.Tensor:
        return head(mean_of_bags(features(inputs, training=True), size), training=True)

    return predict


def predict_bags_with_features(
    model: keras.Model, size: int, layer: str
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Return the forward pass of a training step on bags, and the features of one of its layers.

    They are (bags, …) of a layer behind the pooled features, which sees a bag, else (bags · size, …).
    """
    features = model.get_layer(layer).output
    if size == 1:
        both = keras.Model(model.input, [model.output, features])
        return lambda inputs: tuple(both(inputs, training=True))
    names = [each.name for each in model.layers]
    if names.index(layer) > names.index(POOLED):
        of_slices, _ = in_two_parts(model)
        of_bags = keras.Model(model.get_layer(POOLED).output, [model.output, features])
        return lambda inputs: tuple(of_bags(mean_of_bags(of_slices(inputs, training=True), size), training=True))
    both, head = keras.Model(model.input, [model.get_layer(POOLED).output, features]), in_two_parts(model)[1]

    def predict(inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        pooled, found = both(inputs, training=True)
        return head(mean_of_bags(pooled, size), training=True), found

    return predict


def numpy_head(model: keras.Model) -> Head:
    """Return the layers behind the pooled features as a function (n, channels) → outputs (n, k), float64."""
    _, head = in_two_parts(model)
    return lambda features: head(tf.constant(features, tf.float32), training=False).numpy().astype(np.float64)


def predict_patient(model: keras.Model, provenance: dict[str, Any]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return how a model predicts a patient.

    A model that was trained on bags, by its provenance, predicts a patient from the mean features of the slices.
    Any other model predicts a patient by the mean probability of the slices.

    Parameters
    ----------
    model
        Ends in the probability.
    provenance
        As provenance.json has it.

    Returns
    -------
    A function of the slices' probabilities (n, k) and pooled features (n, channels) that gives (k,). k is 1 with two
    classes; with more, the classes of the run.
    """
    if bag_size_of(provenance) == 1:
        return lambda probabilities, features: np.array([column.mean() for column in probabilities.T])
    head, classes = numpy_head(model), classes_of_network(provenance)

    def of_bag(probabilities: np.ndarray, features: np.ndarray) -> np.ndarray:
        outputs = head(features.mean(axis=0, keepdims=True))
        return (outputs if classes.sigmoid else classes.spread(outputs, provenance["labels"]))[0]

    return of_bag


def group_numbers(*columns: Iterable[Any]) -> np.ndarray:
    """Return the group of each row, (n,) int: 0, 1, … for each distinct row, in order of first appearance."""
    numbers: dict[tuple[Any, ...], int] = {}
    return np.array([numbers.setdefault(row, len(numbers)) for row in zip(*columns, strict=True)], dtype=int)
