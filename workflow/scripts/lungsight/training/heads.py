"""What stands between a backbone's pooled features and the logit.

A head of the config is an entry of HEADS and a word under `training.head` in the config's schema. It takes the pooled
features (n, channels) and the config's `training`, and returns what the logit is computed from.
"""

from collections.abc import Callable

import keras


def dense(pooled: keras.KerasTensor, settings: dict) -> keras.KerasTensor:
    """One dense layer, as in the thesis."""
    return keras.layers.Dense(settings["head_units"], activation=settings["head_activation"], name="hidden")(pooled)


def linear(pooled: keras.KerasTensor, settings: dict) -> keras.KerasTensor:
    """Nothing: logistic regression on the pooled features."""
    return pooled


HEADS: dict[str, Callable[[keras.KerasTensor, dict], keras.KerasTensor]] = {"dense": dense, "linear": linear}
DEFAULT_HEAD = "dense"
