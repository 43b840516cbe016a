"""The classifier: a backbone, global average pooling, a head, one logit, its sigmoid. Flat."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.backbones import Backbone
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.heads import DEFAULT_HEAD, HEADS, HIDDEN

POOLED, LOGIT, PROBABILITY = "pooled", "logit", "probability"
INFERENCE_BATCH = 32


def build_classifier(backbone: Backbone, settings: dict, weights: Path | None = None) -> keras.Model:
    """Build the network, (n, size, size, 3) preprocessed images → (n, 1) float32 probability.

    settings: the config's `training`. weights: of the backbone without top, else it is randomly initialised. The head
    is built on the base's output, not around a nested model, which would hide the layers from CAM methods. Raises
    UserError for weights of another network.
    """
    base = backbone.build(settings["image_size"])
    if weights is not None:
        load_weights(base, weights, what="weights without top of this backbone")
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(base.output)
    hidden = HEADS[settings.get("head", DEFAULT_HEAD)](pooled, settings)
    logit = keras.layers.Dense(1, dtype="float32", name=LOGIT)(hidden)
    probability = keras.layers.Activation("sigmoid", dtype="float32", name=PROBABILITY)(logit)
    model = keras.Model(base.input, probability, name="classifier")
    set_batch_norm_momentum(model, settings["batch_norm_momentum"])
    return model


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Networks built inside compute in this precision by Keras's word for it; variables are float32 in any."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """The batch normalisations of a flat model."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def set_batch_norm_momentum(model: keras.Model, momentum: float) -> None:
    """Set the momentum of the running statistics in every batch normalisation; before a step is traced."""
    for layer in batch_norms(model):
        layer.momentum = momentum


@contextmanager
def frozen_batch_norm(model: keras.Model) -> Iterator[None]:
    """While inside, batch normalisations stay in inference mode and their scales and offsets are not trained."""
    layers = [layer for layer in batch_norms(model) if layer.trainable]
    try:
        for layer in layers:
            layer.trainable = False
        yield
    finally:
        for layer in layers:
            layer.trainable = True


def load_weights(model: keras.Model, path: Path, what: str) -> None:
    """Load weights that fit `model` exactly. Raises UserError, saying that the file does not hold `what`, otherwise.

    Keras only warns of layers that it finds no weights for, and leaves them as they are; here that is an error.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            model.load_weights(path)
    except (UserWarning, ValueError, OSError, KeyError) as error:
        raise UserError(f"{path} does not hold {what}: {str(error).splitlines()[0][:200]}") from error


def logits_of(model: keras.Model) -> keras.Model:
    """The same network up to the logit, sharing its weights."""
    return keras.Model(model.input, model.get_layer(LOGIT).output)


def last_hidden(model: keras.Model) -> keras.KerasTensor:
    """The last hidden layer's output, (n, k); the pooled features where the head has none."""
    names = [layer.name for layer in model.layers]
    return model.get_layer(HIDDEN if HIDDEN in names else POOLED).output


def to_input(backbone: Backbone, images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """8-bit images (n, size, size), or floats in 0–255, → (n, size, size, 3) float32 as the backbone takes them."""
    gray = tf.cast(images, tf.float32)
    return backbone.preprocess(tf.stack([gray] * 3, axis=-1))


def make_inference(model: keras.Model, backbone: Backbone) -> Callable[[np.ndarray], np.ndarray]:
    """A function (n, size, size) uint8 → the model's outputs, float32, in inference mode; traced once for any n."""
    size = model.input_shape[1]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, size, size), tf.uint8)])
    def outputs(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(to_input(backbone, images), training=False), tf.float32)

    with fused_batch_norm(model):
        traced = outputs.get_concrete_function()
    return lambda images: traced(tf.constant(images)).numpy()


def run_in_batches(inference: Callable[[np.ndarray], np.ndarray], images: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Outputs (n, k) float32 for the given rows of `images`, which may be memory-mapped."""
    starts = range(0, len(rows), INFERENCE_BATCH)
    return np.concatenate([inference(images[rows[start : start + INFERENCE_BATCH]]) for start in starts])
