"""Grad-CAM of a flat Keras model: one forward pass, and a gradient of only what lies behind the explained layer."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.metrics import THRESHOLD
from lungsight.training.network import LOGIT, PROBABILITY

PRIMARY, THESIS = "gradcam", "gradcam_thesis"
SIGN_RULE = f"+logit for slices predicted positive (probability ≥ {THRESHOLD}), −logit for slices predicted negative"


class Target(NamedTuple):
    """What a map explains: the layer whose channels are weighed, the output that is differentiated, and its sign.

    signed: take −output for predicted negatives, so that the map shows what speaks for the prediction that was made.
    """

    layer: str
    output: str
    signed: bool


def primary_target(layer: str) -> Target:
    """Grad-CAM as it is measured here: at the layer that the head sees, on the logit, signed by the prediction."""
    return Target(layer, LOGIT, signed=True)


def thesis_target(model: keras.Model) -> Target:
    """Grad-CAM as the thesis had it from tf-keras-vis: the last convolution, on the sigmoid, never signed."""
    convolutions = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    if not convolutions:
        raise UserError("The model has no convolution among its own layers: Grad-CAM needs a flat model.")
    return Target(convolutions[-1], PROBABILITY, signed=False)


def methods_for(model: keras.Model, layer: str) -> dict[str, Target]:
    """The methods that every model is explained by, PRIMARY first. layer: the one whose maps the head pools."""
    return {PRIMARY: primary_target(layer), THESIS: thesis_target(model)}


def _layer(model: keras.Model, name: str) -> keras.Layer:
    names = [layer.name for layer in model.layers]
    if name not in names:
        nested = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
        hint = f" It hides a model in {', '.join(nested)}; build on the base's output instead." if nested else ""
        raise UserError(f"The model has no layer {name}: it cannot be explained.{hint}")
    return model.get_layer(name)


def _check(model: keras.Model, targets: Iterable[Target]) -> None:
    for name in {LOGIT, PROBABILITY, *(target.output for target in targets)}:
        shape = _layer(model, name).output.shape
        if len(shape) != 2 or shape[1] != 1:
            raise UserError(f"The model's layer {name} gives {shape[1:]} values an image; one is expected.")
    for target in targets:
        shape = _layer(model, target.layer).output.shape
        if len(shape) != 4:
            raise UserError(f"The model's layer {target.layer} is no stack of feature maps: shape {shape[1:]}.")


class GradCam:
    """Grad-CAM (Selvaraju 2017) by one or more methods that share the forward pass.

    The graph is traced once, for batches of any length. `tf.gradients` builds only the operations between a layer and
    the output, so the backbone is never differentiated.
    """

    def __init__(self, model: keras.Model, methods: Mapping[str, Target]) -> None:
        """model: flat, with layers "logit" and "probability". Raises UserError for a model that cannot be explained."""
        self.methods = dict(methods)
        targets = self.methods.values()
        _check(model, targets)
        names = {name for target in targets for name in (target.layer, target.output)}
        self._outputs = keras.Model(model.inputs, {name: model.get_layer(name).output for name in sorted(names)})
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.bool)]
        self._explain = tf.function(self._traced, autograph=False, input_signature=signature)

    def _traced(self, images: tf.Tensor, positive: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = self._outputs(images, training=False)
        sign = tf.where(positive, 1.0, -1.0)[:, None]
        maps = {}
        for method, target in self.methods.items():
            features, output = outputs[target.layer], outputs[target.output]
            score = output * tf.cast(sign, output.dtype) if target.signed else output
            (gradient,) = tf.gradients(score, features, unconnected_gradients=tf.UnconnectedGradients.ZERO)
            weights = tf.reduce_mean(tf.cast(gradient, tf.float32), axis=(1, 2), keepdims=True)
            maps[method] = tf.nn.relu(tf.reduce_sum(weights * tf.cast(features, tf.float32), axis=-1))
        return maps

    def __call__(self, images: np.ndarray | tf.Tensor, positive: np.ndarray) -> dict[str, np.ndarray]:
        """Explain a batch: by method the raw ReLU maps, (n, h, w) float32.

        images: (n, rows, columns, channels) float32, preprocessed as the model expects. positive: (n,) bool, the slices
        that were predicted positive; the prediction that is explained is the recorded one, not this pass's.
        """
        maps = self._explain(tf.convert_to_tensor(images, tf.float32), tf.convert_to_tensor(positive, tf.bool))
        return {method: found.numpy() for method, found in maps.items()}
