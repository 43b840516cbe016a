"""Gradient CAM methods on a flat Keras model: one forward pass, a gradient of only what lies behind a layer.

Behind a global average pooling the gradient is the same at every pixel of a channel. There Grad-CAM++ and LayerCAM
weigh each channel alike, by its positive gradient, and their maps are the same up to a factor.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, Protocol

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.evaluation.metrics import THRESHOLD
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import LOGIT, PROBABILITY

PRIMARY, THESIS = "gradcam", "gradcam_thesis"


def grad_cam(features: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Channels weighed by their mean gradient (Selvaraju 2017). (n, h, w, c) twice → (n, h, w), before the ReLU."""
    return tf.reduce_sum(tf.reduce_mean(gradient, axis=(1, 2), keepdims=True) * features, axis=-1)


def grad_cam_plus_plus(features: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Channels weighed by their positive gradient, pixels by its higher derivatives (Chattopadhay 2018).

    The paper explains exp(score), which only multiplies a map by exp(score); that factor is left out, since it
    overflows. Its second over its other derivatives, g² / (2g² + g³ Σ features), is written as 1 / (2 + g Σ features).
    """
    below = 2 + gradient * tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    defined = (gradient != 0) & (below != 0)
    pixels = tf.where(defined, 1 / tf.where(defined, below, tf.ones_like(below)), tf.zeros_like(below))
    total = tf.reduce_sum(pixels, axis=(1, 2), keepdims=True)
    pixels = pixels / tf.where(total == 0, tf.ones_like(total), total)
    weights = tf.reduce_sum(pixels * tf.nn.relu(gradient), axis=(1, 2), keepdims=True)
    return tf.reduce_sum(weights * features, axis=-1)


def layer_cam(features: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Every pixel of every channel weighed by its own positive gradient (Jiang 2021); as `grad_cam`."""
    return tf.reduce_sum(tf.nn.relu(gradient) * features, axis=-1)


Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Target(NamedTuple):
    """What a map explains: the layer whose channels are weighed, the output that is differentiated, and its sign.

    signed: take −output for predicted negatives, so that the map shows what speaks for the prediction that was made.
    weighting: features and gradient → map; None for a method that takes no gradient.
    """

    layer: str
    output: str
    signed: bool
    weighting: Weighting | None = grad_cam

    @property
    def sign_rule(self) -> str:
        """What is explained of which slice, in words."""
        if not self.signed:
            return f"+{self.output} for every slice"
        return (
            f"+{self.output} for slices predicted positive (probability ≥ {THRESHOLD}),"
            f" −{self.output} for slices predicted negative"
        )


class Explainer(Protocol):
    """What explains batches of images as GradCam does; `methods` says by name what each map explains."""

    methods: dict[str, Target]

    def __call__(self, images: np.ndarray | tf.Tensor, positive: np.ndarray) -> dict[str, np.ndarray]: ...


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
    """One or more gradient methods that share the forward pass and the gradient.

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
        explain = tf.function(self._traced, autograph=False, input_signature=signature)
        with fused_batch_norm(model):
            self._explain = explain.get_concrete_function()

    def _traced(self, images: tf.Tensor, positive: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = self._outputs(images, training=False)
        sign = tf.where(positive, 1.0, -1.0)[:, None]
        maps = {}
        for (output, signed), methods in self._by_score().items():
            score = outputs[output] * tf.cast(sign, outputs[output].dtype) if signed else outputs[output]
            layers = list(dict.fromkeys(self.methods[method].layer for method in methods))
            gradients = tf.gradients(
                score, [outputs[layer] for layer in layers], unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            gradient_of = dict(zip(layers, gradients, strict=True))
            for method in methods:
                target = self.methods[method]
                features, gradient = outputs[target.layer], gradient_of[target.layer]
                maps[method] = tf.nn.relu(
                    target.weighting(tf.cast(features, tf.float32), tf.cast(gradient, tf.float32))
                )
        return {method: maps[method] for method in self.methods}

    def _by_score(self) -> dict[tuple[str, bool], list[str]]:
        """Methods that differentiate the same score: one backward pass serves them all."""
        groups: dict[tuple[str, bool], list[str]] = {}
        for method, target in self.methods.items():
            groups.setdefault((target.output, target.signed), []).append(method)
        return groups

    def __call__(self, images: np.ndarray | tf.Tensor, positive: np.ndarray) -> dict[str, np.ndarray]:
        """Explain a batch: by method the raw ReLU maps, (n, h, w) float32.

        images: (n, rows, columns, channels) float32, preprocessed as the model expects. positive: (n,) bool, the slices
        that were predicted positive; the prediction that is explained is the recorded one, not this pass's.
        """
        maps = self._explain(tf.convert_to_tensor(images, tf.float32), tf.convert_to_tensor(positive, tf.bool))
        return {method: found.numpy() for method, found in maps.items()}
