"""What stands between a backbone's pooled features and the logit.

A head of the config is an entry of HEADS and a word under `training.head` in the config's schema. It takes the pooled
features (n, channels) and the config's `training`, and returns what the logit is computed from.
"""

from collections.abc import Callable

import keras

HIDDEN = "hidden"  # the last hidden layer, where a head has one
# Of the extreme learning machines: prefixes of a machine's random neurons and its margin, and the margins' median.
RANDOM, MARGIN, MEDIAN = "random_", "margin_", "median"
NEGATIVE_SLOPE = 0.25  # of PReLU, what He et al. (2015) start it from; a random neuron does not learn it


def dense(pooled: keras.KerasTensor, settings: dict) -> keras.KerasTensor:
    """One dense layer, as in the thesis."""
    return keras.layers.Dense(settings["head_units"], activation=settings["head_activation"], name=HIDDEN)(pooled)


def linear(pooled: keras.KerasTensor, settings: dict) -> keras.KerasTensor:
    """Nothing: logistic regression on the pooled features."""
    return pooled


def tanh_relu(sums: keras.KerasTensor) -> keras.KerasTensor:
    """x where it is positive, else tanh x."""
    positive = keras.layers.ReLU()(sums)
    negative = keras.layers.Activation("tanh")(keras.layers.Subtract()([sums, positive]))
    return keras.layers.Add()([positive, negative])


MACHINES: dict[str, Callable[[keras.KerasTensor], keras.KerasTensor]] = {
    "relu": lambda sums: keras.layers.ReLU()(sums),
    "prelu": lambda sums: keras.layers.LeakyReLU(negative_slope=NEGATIVE_SLOPE)(sums),
    "tanhrelu": tanh_relu,
}


def extreme_learning_machines(pooled: keras.KerasTensor, settings: dict) -> keras.KerasTensor:
    """Three machines of random neurons that differ in their activation, and the median of their margins.

    The sign of the median is the vote of the majority. Unlike the vote, it can be ranked, and it has a gradient: that
    of the machine whose voice decides. A margin sees the neurons of all machines; its weights of the others' are 0.
    """
    sums = {name: keras.layers.Dense(settings["head_units"], name=f"{RANDOM}{name}")(pooled) for name in MACHINES}
    hidden = keras.layers.Concatenate(name=HIDDEN)([activate(sums[name]) for name, activate in MACHINES.items()])
    first, second, third = (keras.layers.Dense(1, use_bias=False, name=f"{MARGIN}{name}")(hidden) for name in MACHINES)
    lower, upper = keras.layers.Minimum()([first, second]), keras.layers.Maximum()([first, second])
    return keras.layers.Maximum(name=MEDIAN)([lower, keras.layers.Minimum()([upper, third])])


HEADS: dict[str, Callable[[keras.KerasTensor, dict], keras.KerasTensor]] = {
    "dense": dense,
    "linear": linear,
    "extreme_learning_machines": extreme_learning_machines,
}
DEFAULT_HEAD = "dense"
