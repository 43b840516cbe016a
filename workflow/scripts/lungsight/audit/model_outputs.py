"""A trained model as one traced function of images: its logits, its last hidden layer, a Grad-CAM map of each logit."""

# Keras and TensorFlow describe few of their types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUntypedFunctionDecorator=false, reportFunctionMemberAccess=false

import keras
import numpy as np
import tensorflow as tf

from lungsight.audit.predictions import Predictions
from lungsight.training.backbones import Backbone
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import INFERENCE_BATCH, LOGIT, last_hidden, to_input


class ModelOutputs:
    """Predict with a model through one traced function, for any number of images.

    The function reads the model's variables. When their values are replaced, its results follow without a new trace.

    Parameters
    ----------
    model
        A classifier that `build_classifier` made, not nested in another model.
    backbone
        Its backbone, which names the layer that Grad-CAM explains.
    """

    def __init__(self, model: keras.Model, backbone: Backbone) -> None:
        self.model = model
        size, logit = model.input_shape[1], model.get_layer(LOGIT)
        explained = model.get_layer(backbone.explained_layer).output
        layers = keras.Model(model.inputs, [logit.output, last_hidden(model), explained])

        @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, size, size), tf.uint8)])
        def predict(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            scores, hidden, channels = layers(to_input(backbone, images), training=False)
            gradients = [tf.gradients(scores[:, k], channels)[0] for k in range(scores.shape[1])]
            # Sums in float32, also of a model that computes in bfloat16.
            scores, hidden, channels = (tf.cast(x, tf.float32) for x in (scores, hidden, channels))
            weights = [tf.reduce_mean(tf.cast(each, tf.float32), axis=(1, 2), keepdims=True) for each in gradients]
            return scores, hidden, tf.stack([tf.reduce_sum(each * channels, axis=-1) for each in weights], axis=1)

        with fused_batch_norm(model):
            self._predict = predict.get_concrete_function()

    def __call__(self, images: np.ndarray, /) -> Predictions:
        """Predict for images (n, size, size) uint8, n ≥ 1."""
        starts = range(0, len(images), INFERENCE_BATCH)
        batches = [self._predict(tf.constant(images[start : start + INFERENCE_BATCH])) for start in starts]
        logits, features, cams = (
            np.concatenate([part.numpy() for part in parts]) for parts in zip(*batches, strict=True)
        )
        return Predictions(logits.astype(np.float64), features, cams)
