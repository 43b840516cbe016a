"""Build the head: the layers between a backbone's pooled features and the logit.

To add a head, add an entry to HEADS, and its word under `training.head` in the config's schema. A head takes the pooled
features (n, channels), the config's `training` section and the number of logits, and returns the tensor that the logits
are computed from.

References
----------
He, K. et al. (2015). Delving deep into rectifiers.
"""

from collections.abc import Callable
from typing import Any

import keras

HIDDEN = "hidden"  # the last hidden layer, where a head has one
# Layers of the extreme learning machines: prefixes of random neurons and margin, and the median of the margins.
RANDOM, MARGIN, MEDIAN = "random_", "margin_", "median"
NEGATIVE_SLOPE = 0.25  # of PReLU: the initial value of He et al. (2015), which a random neuron keeps


def dense(pooled: keras.KerasTensor, settings: dict[str, Any], outputs: int) -> keras.KerasTensor:
    """Add one dense layer, as in the thesis."""
    return keras.layers.Dense(settings["head_units"], activation=settings["head_activation"], name=HIDDEN)(pooled)


def linear(pooled: keras.KerasTensor, settings: dict[str, Any], outputs: int) -> keras.KerasTensor:
    """Add no layer: the classifier is a logistic regression on the pooled features."""
    return pooled


def tanh_relu(sums: keras.KerasTensor) -> keras.KerasTensor:
    """Compute x where it is positive, else tanh x."""
    positive = keras.layers.ReLU()(sums)
    negative = keras.layers.Activation("tanh")(keras.layers.Subtract()([sums, positive]))
    return keras.layers.Add()([positive, negative])


MACHINES: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "relu": lambda sums: keras.layers.ReLU()(sums),
    "prelu": lambda sums: keras.layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE)(sums),
    "tanhrelu": tanh_relu,
}


def extreme_learning_machines(pooled: keras.KerasTensor, settings: dict[str, Any], outputs: int) -> keras.KerasTensor:
    """Add three machines of random neurons that differ in their activation, and the median of their margins.

    The sign of the median is the vote of the majority. Unlike the vote, the median ranks images and has a gradient:
    that of the machine with the median margin. Each margin layer sees the neurons of all machines; its weights on the
    other machines' neurons are 0. With several logits, each has its margins and their median.
    """
    sums = {name: keras.layers.Dense(settings["head_units"], name=f"{RANDOM}{name}")(pooled) for name in MACHINES}
    hidden = keras.layers.Concatenate(name=HIDDEN)([activate(sums[name]) for name, activate in MACHINES.items()])
    margins = [keras.layers.Dense(outputs, use_bias=False, name=f"{MARGIN}{name}")(hidden) for name in MACHINES]
    first, second, third = margins
    lower, upper = keras.layers.Minimum()([first, second]), keras.layers.Maximum()([first, second])
    return keras.layers.Maximum(name=MEDIAN)([lower, keras.layers.Minimum()([upper, third])])


HEADS: dict[str, Callable[[keras.KerasTensor, dict[str, Any], int], keras.KerasTensor]] = {
    "dense": dense,
    "linear": linear,
    "extreme_learning_machines": extreme_learning_machines,
}
DEFAULT_HEAD = "dense"
