"""Compute gradient CAM methods on a flat Keras model: one forward pass, and the gradient from the output to a layer.

At a layer that feeds a global average pooling, the gradient is the same at every pixel of a channel. There Grad-CAM++
and LayerCAM both weight each channel by its positive gradient, and their maps are equal up to a factor.

References
----------
Selvaraju, R. R. et al. (2017). Grad-CAM: visual explanations from deep networks via gradient-based localization.
Chattopadhay, A. et al. (2018). Grad-CAM++: generalized gradient-based visual explanations.
Jiang, P.-T. et al. (2021). LayerCAM: exploring hierarchical class activation maps for localization.
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
    """Weight channels by their mean gradient (Selvaraju 2017).

    features, gradient: (n, h, w, c). Returns (n, h, w), before the ReLU.
    """
    return tf.reduce_sum(tf.reduce_mean(gradient, axis=(1, 2), keepdims=True) * features, axis=-1)


def grad_cam_plus_plus(features: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Weight channels by their positive gradient, and pixels by its higher derivatives (Chattopadhay 2018).

    Arguments and result as for `grad_cam`. The paper explains exp(score), which multiplies a map by exp(score); that
    factor is left out, since it overflows. The weight of a pixel, g² / (2g² + g³ Σ features), is computed as
    1 / (2 + g Σ features).
    """
    below = 2 + gradient * tf.reduce_sum(features, axis=(1, 2), keepdims=True)
    defined = (gradient != 0) & (below != 0)
    pixels = tf.where(defined, 1 / tf.where(defined, below, tf.ones_like(below)), tf.zeros_like(below))
    total = tf.reduce_sum(pixels, axis=(1, 2), keepdims=True)
    pixels = pixels / tf.where(total == 0, tf.ones_like(total), total)
    weights = tf.reduce_sum(pixels * tf.nn.relu(gradient), axis=(1, 2), keepdims=True)
    return tf.reduce_sum(weights * features, axis=-1)


def layer_cam(features: tf.Tensor, gradient: tf.Tensor) -> tf.Tensor:
    """Weight every pixel of every channel by its own positive gradient (Jiang 2021); arguments as for `grad_cam`."""
    return tf.reduce_sum(tf.nn.relu(gradient) * features, axis=-1)


Weighting = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


class Target(NamedTuple):
    """What a map explains.

    Attributes
    ----------
    layer
        The layer whose channels are weighted.
    output
        The layer whose output is differentiated.
    signed
        Take the margin of the explained class: with one logit, −output for the other class. The map then shows the
        evidence for that class. Otherwise the output itself is taken, of several that of the explained class.
    weighting
        Features and gradient → map. None for a method without gradients.
    """

    layer: str
    output: str
    signed: bool
    weighting: Weighting | None = grad_cam

    def sign_rule(self, sigmoid: bool) -> str:
        """Say which output is explained for which prediction. sigmoid: whether the network has one logit."""
        if not sigmoid:
            others = " minus the logsumexp of the others" if self.signed else ""
            return f"{self.output} of the predicted class{others}"
        if not self.signed:
            return f"+{self.output} for every slice"
        return (
            f"+{self.output} for slices predicted positive (probability ≥ {THRESHOLD}),"
            f" −{self.output} for slices predicted negative"
        )


class Explainer(Protocol):
    """One or more methods that explain a batch of images; `methods` has what each explains."""

    methods: dict[str, Target]

    def __call__(self, images: np.ndarray | tf.Tensor, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Explain a batch, as `GradCam` does."""
        ...


def primary_target(layer: str) -> Target:
    """Return the primary method: Grad-CAM at the layer that the head pools, on the margin of the explained class."""
    return Target(layer, LOGIT, signed=True)


def thesis_target(model: keras.Model) -> Target:
    """Return the thesis's Grad-CAM, the default of tf-keras-vis: at the last convolution, on the probability."""
    convolutions = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    if not convolutions:
        raise UserError("The model has no convolution among its own layers: Grad-CAM needs a flat model.")
    return Target(convolutions[-1], PROBABILITY, signed=False)


def methods_for(model: keras.Model, layer: str) -> dict[str, Target]:
    """Return the methods that explain every model, PRIMARY first. layer: the layer whose maps the head pools."""
    return {PRIMARY: primary_target(layer), THESIS: thesis_target(model)}


def _layer(model: keras.Model, name: str) -> keras.Layer:
    names = [layer.name for layer in model.layers]
    if name not in names:
        nested = [layer.name for layer in model.layers if isinstance(layer, keras.Model)]
        hint = f" It hides a model in {', '.join(nested)}; build on the base's output instead." if nested else ""
        raise UserError(f"The model has no layer {name}: it cannot be explained.{hint}")
    return model.get_layer(name)


def _output_shape(model: keras.Model, name: str) -> tuple[int | None, ...]:
    output = _layer(model, name).output
    if isinstance(output, list):
        raise UserError(f"The model's layer {name} has {len(output)} outputs; one is expected.")
    return tuple(output.shape)


def _check(model: keras.Model, targets: Iterable[Target]) -> None:
    classes = _output_shape(model, LOGIT)[1:]
    for name in {LOGIT, PROBABILITY, *(target.output for target in targets)}:
        shape = _output_shape(model, name)
        if len(shape) != 2 or shape[1:] != classes:
            raise UserError(
                f"The model's layer {name} gives {shape[1:]} values an image; one for each logit is expected."
            )
    for target in targets:
        shape = _output_shape(model, target.layer)
        if len(shape) != 4:
            raise UserError(f"The model's layer {target.layer} gives no feature maps: its shape is {shape[1:]}.")


def margin_of(outputs: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Compute the margin of one class in each row, as `lungsight.classes.margins_of` does, with its gradient."""
    if outputs.shape[1] == 1:
        sign = tf.where(numbers == 1, 1.0, -1.0)[:, None]
        return outputs * tf.cast(sign, outputs.dtype)
    own = tf.one_hot(numbers, outputs.shape[1], on_value=True, off_value=False, dtype=tf.bool)
    others = tf.reduce_logsumexp(tf.where(own, tf.constant(-np.inf, outputs.dtype), outputs), axis=1)
    return tf.gather(outputs, numbers, batch_dims=1) - others


def output_of(outputs: tf.Tensor, numbers: tf.Tensor) -> tf.Tensor:
    """Take the one output, or that of one class in each row."""
    return outputs if outputs.shape[1] == 1 else tf.gather(outputs, numbers, batch_dims=1)


class GradCam:
    """One or more gradient methods that share the forward pass and the gradient.

    The graph is traced once, for batches of any length. `tf.gradients` differentiates only the operations between the
    layer and the output, never the backbone.
    """

    def __init__(self, model: keras.Model, methods: Mapping[str, Target]) -> None:
        """Trace the methods for a flat model with layers "logit" and "probability".

        Raises UserError for a model that cannot be explained.
        """
        self.methods = dict(methods)
        self._weightings = {name: target.weighting or grad_cam for name, target in methods.items()}
        targets = self.methods.values()
        _check(model, targets)
        names = {name for target in targets for name in (target.layer, target.output)}
        self._outputs = keras.Model(model.inputs, {name: model.get_layer(name).output for name in sorted(names)})
        signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)]
        explain = tf.function(self._traced, autograph=False, input_signature=signature)
        with fused_batch_norm(model):
            self._explain = explain.get_concrete_function()

    def _traced(self, images: tf.Tensor, numbers: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = self._outputs(images, training=False)
        maps = {}
        for (output, signed), methods in self._by_score().items():
            score = (margin_of if signed else output_of)(outputs[output], numbers)
            layers = list(dict.fromkeys(self.methods[method].layer for method in methods))
            gradients = tf.gradients(
                score, [outputs[layer] for layer in layers], unconnected_gradients=tf.UnconnectedGradients.ZERO
            )
            gradient_of = dict(zip(layers, gradients, strict=True))
            for method in methods:
                target = self.methods[method]
                features, gradient = outputs[target.layer], gradient_of[target.layer]
                weighting = self._weightings[method]
                maps[method] = tf.nn.relu(weighting(tf.cast(features, tf.float32), tf.cast(gradient, tf.float32)))
        return {method: maps[method] for method in self.methods}

    def _by_score(self) -> dict[tuple[str, bool], list[str]]:
        """Group the methods that differentiate the same score: one backward pass serves a group."""
        groups: dict[tuple[str, bool], list[str]] = {}
        for method, target in self.methods.items():
            groups.setdefault((target.output, target.signed), []).append(method)
        return groups

    def __call__(self, images: np.ndarray | tf.Tensor, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Explain a batch.

        Parameters
        ----------
        images
            (n, rows, columns, channels) float32, preprocessed as the model expects.
        numbers
            (n,), the class to explain, as the network learns it (`Classes.numbers_of`). With one logit, 1 is the
            positive class and 0 the other.

        Returns
        -------
        Raw maps after the ReLU by method, (n, h, w) float32.
        """
        classes = tf.convert_to_tensor(np.asarray(numbers, np.int32))
        maps = self._explain(tf.convert_to_tensor(images, tf.float32), classes)
        return {method: tensor.numpy() for method, tensor in maps.items()}
