"""Score-CAM by tf-keras-vis, made right for a classifier with one logit."""

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
    """What tf-keras-vis calls `predict` for, traced once with fused operations and without a progress bar an image."""
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32)]
    with fused_batch_norm(model):
        outputs = tf.function(partial(model, training=False), autograph=False, input_signature=signature)
        traced = outputs.get_concrete_function()

    def predict(images: list[np.ndarray], batch_size: int) -> np.ndarray:
        (only,) = images
        return run_in_batches(lambda batch: traced(tf.constant(batch, tf.float32)).numpy(), only, np.arange(len(only)))

    return predict


class ScoreCam:
    """Score-CAM (Wang 2020), of the channels that vary most ("faster Score-CAM").

    Each channel's map, upsampled and scaled to [0, 1], masks the image; the channel's weight is the probability that
    the network then gives to the class that was predicted for the slice.

    tf-keras-vis takes a softmax over the network's outputs. Over one output that is always 1, and every channel would
    weigh the same, whatever the network says; so it is given two logits, 0 and the network's own, whose softmax are the
    probabilities of the two classes.
    """

    def __init__(self, model: keras.Model, name: str, layer: str, channels: int) -> None:
        """model: flat, with a layer "logit". name: of the method. channels: how many of the layer's maps to try."""
        logit = model.get_layer(LOGIT).output
        two = keras.Model(model.inputs, keras.layers.Concatenate()([keras.ops.zeros_like(logit), logit]))
        two.predict = _traced_predict(two)
        self.methods = {name: Target(layer, "probability of the predicted class", signed=False, weighting=None)}
        self._library = Scorecam(two, clone=False)
        self._settings = {
            "penultimate_layer": layer,
            "seek_penultimate_conv_layer": False,
            "max_N": min(channels, model.get_layer(layer).output.shape[-1]),
            "expand_cam": False,
            "normalize_cam": False,
        }

    def __call__(self, images: np.ndarray | tf.Tensor, positive: np.ndarray) -> dict[str, np.ndarray]:
        """Raw maps (n, h, w) float32 of images (n, rows, columns, channels) float32; positive: (n,) bool.

        One image at a time: the library pools the most varying channels of a batch, so that maps would depend on it.
        """
        images = np.asarray(images, dtype=np.float32)
        maps = [self._explain(image, int(column)) for image, column in zip(images, positive, strict=True)]
        (name,) = self.methods
        return {name: np.concatenate(maps)}

    def _explain(self, image: np.ndarray, column: int) -> np.ndarray:
        return np.asarray(self._library(lambda classes: classes[:, column], image[None], **self._settings))
