"""Weigh the channels and the places of feature maps: the convolutional block attention module.

References
----------
Woo, S. et al. (2018). CBAM: convolutional block attention module. ECCV. (Details as in the code of its authors,
github.com/Jongchan/attention-module.)
"""

from collections.abc import Callable, Collection
from typing import Any

import keras

from lungsight.training.backbones import Backbone
from lungsight.training.network import Architecture

KERNEL = 7  # rows and columns that the weight of a place depends on
EPSILON = 1e-5  # of the batch normalisation of these weights

Behind = Callable[[keras.KerasTensor, str], keras.KerasTensor]


def channel_attention(features: keras.KerasTensor, reduction: int, name: str) -> keras.KerasTensor:
    """Weigh the channels of (n, h, w, c) by σ(MLP(mean) + MLP(maximum)), mean and maximum over all places."""
    channels = features.shape[-1]
    squeeze = keras.layers.Dense(max(1, channels // reduction), activation="relu", name=f"{name}_squeeze")
    excite = keras.layers.Dense(channels, name=f"{name}_excite")
    pools = (
        keras.layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_channel_mean"),
        keras.layers.GlobalMaxPooling2D(keepdims=True, name=f"{name}_channel_max"),
    )
    score = keras.layers.Add(name=f"{name}_channel_score")([excite(squeeze(pool(features))) for pool in pools])
    weight = keras.layers.Activation("sigmoid", name=f"{name}_channel_weight")(score)
    return keras.layers.Multiply(name=f"{name}_channels")([features, weight])


def spatial_attention(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Weigh the places of (n, h, w, c) by σ(BN(conv 7 × 7 of maximum and mean)), both over the channels.

    Scale and offset of the normalisation start at 0, as the authors' code has it: every place starts at one half.
    """
    _, rows, columns, channels = features.shape
    # Plain layers alone, so that Keras loads the model without code of ours: none of them pools channels.
    flat = keras.layers.Reshape((rows * columns, channels), name=f"{name}_places")(features)
    pools = (
        keras.layers.GlobalMaxPooling1D(data_format="channels_first", name=f"{name}_place_max"),
        keras.layers.GlobalAveragePooling1D(data_format="channels_first", name=f"{name}_place_mean"),
    )
    maps = [keras.layers.Reshape((rows, columns, 1), name=f"{pool.name}_map")(pool(flat)) for pool in pools]
    both = keras.layers.Concatenate(name=f"{name}_place_maps")(maps)
    score = keras.layers.Conv2D(1, KERNEL, padding="same", use_bias=False, name=f"{name}_conv")(both)
    normalised = keras.layers.BatchNormalization(epsilon=EPSILON, gamma_initializer="zeros", name=f"{name}_bn")(score)
    weight = keras.layers.Activation("sigmoid", name=f"{name}_place_weight")(normalised)
    return keras.layers.Multiply(name=f"{name}_weighed")([features, weight])


def with_layers_behind(base: keras.Model, chosen: Collection[str], behind: Behind) -> keras.Model:
    """Build a flat network anew, with the same weights and more layers.

    Parameters
    ----------
    base
        The network. It stays as it is.
    chosen
        Names of layers.
    behind
        From the output of such a layer and its name to what the layers behind it see in its place.
    """

    def call(layer: keras.layers.Layer, *inputs: Any, **settings: Any) -> keras.KerasTensor:
        output = layer(*inputs, **settings)
        return behind(output, layer.name) if layer.name in chosen else output

    network = keras.models.clone_model(base, input_tensors=base.input, call_function=call)
    for layer in base.layers:
        network.get_layer(layer.name).set_weights(layer.get_weights())
    return network


class BlockAttention(Architecture):
    """Put channel and then spatial attention behind the layers that a backbone's file names."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.reduction = int(settings["reduction"])

    def base(self, base: keras.Model, backbone: Backbone) -> keras.Model:
        """Insert the modules. The backbone keeps the weights that it has; those of the modules are new."""

        def weighed(features: keras.KerasTensor, name: str) -> keras.KerasTensor:
            prefix = f"{name}_cbam"
            return spatial_attention(channel_attention(features, self.reduction, prefix), prefix)

        return with_layers_behind(base, backbone.weighed, weighed)
