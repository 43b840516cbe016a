"""Freeze the first blocks of a network, counted from its input, so that a training leaves them as they are.

A block is all layers whose maps have one resolution: a layer that halves the resolution begins the next block. So a
block means the same in every network, whatever its layers are called.
"""

from contextlib import AbstractContextManager
from typing import Any

import keras

from lungsight.training.network import POOLED, untrained


def strides_of(model: keras.Model) -> dict[str, int]:
    """Return the input pixels per pixel of a layer's maps, by the layer's name, of the layers before the pooling.

    The stride of a layer is the largest of those before it times its own. Padding changes no stride.

    Parameters
    ----------
    model
        A flat network, or its backbone alone.
    """
    strides: dict[str, int] = {}
    for layer in model.layers:  # in the order of the data
        if layer.name == POOLED:
            break
        before = [tensor._keras_history.operation.name for tensor in keras.tree.flatten(layer.input)]
        own: Any = getattr(layer, "strides", 1)
        strides[layer.name] = max((strides.get(name, 1) for name in before), default=1) * (
            own[0] if isinstance(own, tuple | list) else own
        )
    return strides


def blocks_of(model: keras.Model) -> list[list[keras.layers.Layer]]:
    """List the layers of each block that has weights to train, from the input on.

    Layers without weights, and those whose numbers no training changes, belong to no block.
    """
    strides = strides_of(model)
    trained = [layer for layer in model.layers if layer.name in strides and layer.trainable_weights]
    return [
        [layer for layer in trained if strides[layer.name] == stride]
        for stride in sorted({strides[layer.name] for layer in trained})
    ]


def frozen_blocks(model: keras.Model, number: int) -> AbstractContextManager[None]:
    """Train nothing of the first blocks inside; their batch normalisation stays in inference mode.

    Parameters
    ----------
    model
        A flat network.
    number
        Of blocks. 0 freezes none; with all of them the head alone is trained.

    Raises
    ------
    ValueError
        The network has fewer blocks.
    """
    blocks = blocks_of(model)
    if number > len(blocks):
        raise ValueError(f"{number} blocks to freeze of {len(blocks)}")
    return untrained([layer for block in blocks[:number] for layer in block])
