"""Build the classifier and run it: backbone, global average pooling, head, one logit, its sigmoid.

With more than two classes there are a logit for each and a softmax.

The model is flat: all layers are its own, none hides in a nested model.
"""

import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.ahead import network_of
from lungsight.errors import UserError
from lungsight.training.backbones import Backbone
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.heads import DEFAULT_HEAD, HEADS, HIDDEN, MARGIN
from lungsight.training.sharded_array import Rows

POOLED, LOGIT, PROBABILITY = "pooled", "logit", "probability"
SUB_LOGITS = "sub_logits"  # several for each class, where a remedy composes the logits of them
INFERENCE_BATCH = 32
WEIGHTS_IN_ARCHIVE = "model.weights.h5"  # in a .keras file, by Keras's format


class Architecture:
    """What a remedy may change of the network; without a remedy, nothing."""

    def base(self, base: keras.Model, backbone: Backbone) -> keras.Model:
        """Change the backbone, which has its start weights. The layer that is explained keeps its name."""
        return base

    def logit(self, hidden: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
        """Compute the logits (n, outputs) float32 from the head's output, in a layer that is named LOGIT."""
        return keras.layers.Dense(outputs, dtype="float32", name=LOGIT)(hidden)


PLAIN = Architecture()


def build_classifier(
    backbone: Backbone,
    settings: dict[str, Any],
    weights: Path | None = None,
    outputs: int = 1,
    architecture: Architecture = PLAIN,
) -> keras.Model:
    """Build the network: (n, size, size, 3) preprocessed images → (n, outputs) float32 probabilities.

    The head is built on the backbone's output. A nested model would hide its layers from CAM methods.

    Parameters
    ----------
    backbone
        The convolutional network.
    settings
        The config's `training` section.
    weights
        Of the backbone without its classifier; None for random weights.
    outputs
        Number of logits. One has a sigmoid; several have a softmax.
    architecture
        What a remedy changes of the network.

    Raises
    ------
    UserError
        The weights are of another network.
    """
    base = backbone.build(settings["image_size"])
    if weights is not None:
        load_weights(base, weights, content="weights without top of this backbone")
    base = architecture.base(base, backbone)
    pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(base.output)
    hidden = HEADS[settings.get("head", DEFAULT_HEAD)](pooled, settings, outputs)
    logit = architecture.logit(hidden, outputs)
    activation = "sigmoid" if outputs == 1 else "softmax"
    probability = keras.layers.Activation(activation, dtype="float32", name=PROBABILITY)(logit)
    model = keras.Model(base.input, probability, name="classifier")
    set_batch_norm_momentum(model, settings["batch_norm_momentum"])
    return model


@contextmanager
def precision(policy: str) -> Iterator[None]:
    """Make networks built inside compute in this precision, a dtype policy of Keras; variables stay float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """List the batch normalisations of a flat model."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def set_batch_norm_momentum(model: keras.Model, momentum: float) -> None:
    """Set the momentum of every batch normalisation's running statistics. Call it before a step is traced."""
    for layer in batch_norms(model):
        layer.momentum = momentum


@contextmanager
def untrained(layers: Sequence[keras.layers.Layer]) -> Iterator[None]:
    """Leave layers that are trained as they are inside; batch normalisations stay in inference mode."""
    try:
        for layer in layers:
            layer.trainable = False
        yield
    finally:
        for layer in layers:
            layer.trainable = True


def frozen_batch_norm(model: keras.Model) -> AbstractContextManager[None]:
    """Keep batch normalisations in inference mode inside, and do not train their scales and offsets."""
    return untrained([layer for layer in batch_norms(model) if layer.trainable])


@contextmanager
def _unpacked_weights(path: Path) -> Iterator[Path]:
    """Unpack the weights of a .keras file. Inside this zip, Keras reads them over and over to find its place."""
    if not zipfile.is_zipfile(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        yield Path(archive.extract(WEIGHTS_IN_ARCHIVE, folder))


def load_weights(model: keras.Model, path: Path, content: str) -> None:
    """Load weights that fit `model` exactly.

    Keras only warns where it finds no weights for a layer, and leaves the layer as it is. Here that is an error.

    Parameters
    ----------
    model
        Gets the weights.
    path
        The file.
    content
        What the file should hold, for the message.

    Raises
    ------
    UserError
        The weights do not fit.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            with _unpacked_weights(path) as weights:
                model.load_weights(weights)
    except (UserWarning, ValueError, OSError, KeyError) as error:
        raise UserError(f"{path} does not hold {content}: {str(error).splitlines()[0][:200]}") from error


def copy_weights(model: keras.Model, parent: keras.Model, columns: Sequence[tuple[int, int]]) -> None:
    """Copy the weights of a network that differs in its classes alone; in the last layers those of shared classes.

    A layer may have several outputs for each class, those of a class side by side.

    Parameters
    ----------
    model
        Gets the weights. The output of a class that `parent` lacks keeps those that it was made with.
    parent
        Has the weights.
    columns
        For each shared class, its output in `model` and in `parent`.
    """
    to, of = (list(places) for places in zip(*columns, strict=True)) if columns else ([], [])
    for layer in model.layers:
        weights = parent.get_layer(layer.name).get_weights()
        if layer.name in (LOGIT, SUB_LOGITS) or layer.name.startswith(MARGIN):
            own = layer.get_weights()
            for new, old in zip(own, weights, strict=True):
                by_class, of_parent = (
                    each.reshape(*each.shape[:-1], network.output_shape[-1], -1)
                    for each, network in ((new, model), (old, parent))
                )
                by_class[..., to, :] = of_parent[..., of, :]
            weights = own
        layer.set_weights(weights)


def load_classifier(path: Path) -> keras.Model:
    """Load a trained network (model.keras), or take it where this process has it.

    Raises
    ------
    UserError
        The file holds something else.
    """
    model = network_of(path) or keras.models.load_model(path, compile=False)
    if not isinstance(model, keras.Model):
        raise UserError(f"{path} does not hold a network.")
    return model


def logits_of(model: keras.Model) -> keras.Model:
    """Return the network up to the logit; it shares the weights."""
    return keras.Model(model.input, model.get_layer(LOGIT).output)


def last_hidden(model: keras.Model) -> keras.KerasTensor:
    """Return the output of the last hidden layer, (n, k); the pooled features where the head has no hidden layer."""
    names = [layer.name for layer in model.layers]
    return model.get_layer(HIDDEN if HIDDEN in names else POOLED).output


def output_behind_pooled(model: keras.Model, name: str, features: np.ndarray) -> np.ndarray:
    """Compute the output of a layer of the head from pooled features (n, channels), float64."""
    part = keras.Model(model.get_layer(POOLED).output, model.get_layer(name).output)
    # Keras documents 0 as well as "auto"; its stub has the string only.
    output = part.predict(features, verbose=0)  # pyright: ignore[reportArgumentType]
    return output.astype(np.float64)


def to_input(backbone: Backbone, images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Preprocess images (n, size, size), 8-bit or floats in 0-255, to (n, size, size, 3) float32 for the backbone."""
    gray = tf.cast(images, tf.float32)
    return backbone.preprocess(tf.stack([gray] * 3, axis=-1))


def make_inference(model: keras.Model, backbone: Backbone) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model in inference mode: (n, size, size) uint8 → outputs float32; traced once for any n."""
    size = model.input_shape[1]

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, size, size), tf.uint8)])
    def outputs(images: tf.Tensor) -> tf.Tensor:
        return tf.cast(model(to_input(backbone, images), training=False), tf.float32)

    with fused_batch_norm(model):
        # The stub of tf.function returns a plain function.
        traced = outputs.get_concrete_function()  # pyright: ignore[reportFunctionMemberAccess]
    return lambda images: traced(tf.constant(images)).numpy()


def pooled_inference(model: keras.Model, backbone: Backbone) -> Callable[[np.ndarray], np.ndarray]:
    """Return the model up to its pooled features, as `make_inference` does."""
    return make_inference(keras.Model(model.input, model.get_layer(POOLED).output), backbone)


def run_in_batches(inference: Callable[[np.ndarray], np.ndarray], images: Rows, rows: np.ndarray) -> np.ndarray:
    """Compute the outputs (n, k) float32 for some rows of `images`, which may be memory-mapped."""
    starts = range(0, len(rows), INFERENCE_BATCH)
    return np.concatenate([inference(images[rows[start : start + INFERENCE_BATCH]]) for start in starts])
