"""One traced function of a trained model that every instrument of the audit asks: logit, penultimate features, map."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from lungsight.training.backbones import Backbone
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import INFERENCE_BATCH, LOGIT, last_hidden, to_input


class Answers(NamedTuple):
    """Of n images: logit (n,) float64, features of the last hidden layer (n, k), Grad-CAM before its ReLU (n, h, w)."""

    logit: np.ndarray
    features: np.ndarray
    cams: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """(n,) float64: not saturated where float32 would be."""
        return expit(self.logit)

    def probability_of(self, sign: np.ndarray) -> np.ndarray:
        """(n,) float64: probability of the class that `sign` (n,) ±1 stands for."""
        return expit(sign * self.logit)

    def maps(self, sign: np.ndarray) -> np.ndarray:
        """Grad-CAM of sign · logit, (n, h, w): what speaks for the class that `sign` (n,) ±1 stands for."""
        return np.maximum(self.cams * sign[:, None, None], 0)


class ModelOutputs:
    """A model behind one traced function, for batches of any length.

    The function reads the model's variables, so it follows when their values are replaced; nothing is traced again.
    """

    def __init__(self, model: keras.Model, backbone: Backbone) -> None:
        """model: as `build_classifier` makes it, flat."""
        self.model = model
        size, logit = model.input_shape[1], model.get_layer(LOGIT)
        explained = model.get_layer(backbone.explained_layer).output
        outputs = keras.Model(model.inputs, [logit.output, last_hidden(model), explained])

        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, size, size), tf.uint8)])
        def ask(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            score, hidden, channels = outputs(to_input(backbone, images), training=False)
            (gradient,) = tf.gradients(score, channels)
            # Sums in float32, also of a model that computes in bfloat16.
            score, hidden, channels, gradient = (tf.cast(x, tf.float32) for x in (score, hidden, channels, gradient))
            weights = tf.reduce_mean(gradient, axis=(1, 2), keepdims=True)
            return score[:, 0], hidden, tf.reduce_sum(weights * channels, axis=-1)

        with fused_batch_norm(model):
            self._ask = ask.get_concrete_function()

    def __call__(self, images: np.ndarray) -> Answers:
        """Ask about images (n, size, size) uint8, n ≥ 1."""
        starts = range(0, len(images), INFERENCE_BATCH)
        batches = [self._ask(tf.constant(images[start : start + INFERENCE_BATCH])) for start in starts]
        logit, features, cams = (
            np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches, strict=True)
        )
        return Answers(logit.astype(np.float64), features, cams)
