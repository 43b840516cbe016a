"""Compute Score-CAM by tf-keras-vis, corrected for a classifier with one logit; one with several needs no correction.

References
----------
Wang, H. et al. (2020). Score-CAM: score-weighted visual explanations for convolutional neural networks.
"""

from collections.abc import Callable
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from tf_keras_vis.scorecam import Scorecam

from lungsight.explain.gradcam import Target
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import LOGIT, run_in_batches


def _traced_predict(model: keras.Model) -> Callable[..., np.ndarray]:
    """Return a replacement for the `predict` that tf-keras-vis calls: traced once, fused, without progress bars."""
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    with fused_batch_norm(model):
        outputs = tf.function(partial(model, training=False), autograph=False, input_signature=signature)
        traced = outputs.get_concrete_function()

    def predict(images: list[np.ndarray], batch_size: int) -> np.ndarray:
        (inputs,) = images
        rows = np.arange(len(inputs))
        return run_in_batches(lambda batch: traced(tf.constant(batch, tf.float32)).numpy(), inputs, rows)

    return predict


class ScoreCam:
    """Score-CAM (Wang 2020) over the channels that vary most ("faster Score-CAM").

    Each channel's map, enlarged and scaled to [0, 1], masks the image. The channel's weight is the probability that the
    network then gives to the class that was predicted for the slice.

    tf-keras-vis takes a softmax over the network's outputs. Over one output the softmax is always 1, so that all
    channels would have the same weight. The library therefore gets two logits, 0 and the network's: their softmax is
    the probability of each class.
    """

    def __init__(self, model: keras.Model, name: str, layer: str, channels: int) -> None:
        """Prepare Score-CAM.

        Parameters
        ----------
        model
            Flat, with a layer "logit".
        name
            Of the method.
        layer
            The layer whose channels are used.
        channels
            How many of them.
        """
        logits = model.get_layer(LOGIT).output
        if logits.shape[1] == 1:
            logits = keras.layers.Concatenate()([keras.ops.zeros_like(logits), logits])
        network = keras.Model(model.inputs, logits)
        network.predict = _traced_predict(network)
        self.methods = {name: Target(layer, "probability of the predicted class", signed=False, weighting=None)}
        self._library = Scorecam(network, clone=False)
        self._settings = {
            "penultimate_layer": layer,
            "seek_penultimate_conv_layer": False,
            "max_N": min(channels, model.get_layer(layer).output.shape[-1]),
            "expand_cam": False,
            "normalize_cam": False,
        }

    def __call__(self, images: np.ndarray | tf.Tensor, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """Explain a batch, as `GradCam` does.

        The library gets one image at a time: it chooses channels by their variation over the batch, so that a map would
        depend on the other images.
        """
        images = np.asarray(images, dtype=np.float32)
        maps = [self._explain(image, int(column)) for image, column in zip(images, numbers, strict=True)]
        (name,) = self.methods
        return {name: np.concatenate(maps)}

    def _explain(self, image: np.ndarray, column: int) -> np.ndarray:
        return np.asarray(self._library(lambda classes: classes[:, column], image[None], **self._settings))
