"""Trace batch normalisation as TensorFlow's one fused operation.

Keras 3 composes it of a dozen small operations, which take longer to trace and to run (docs/benchmarks.md). The numbers
agree up to rounding. The saved model is untouched.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import keras
import tensorflow as tf

_LOCK = threading.RLock()


# Keras's source declares the variables of a layer as None, hence Any.
def _fused_call(layer: Any, inputs: Any, training: bool | None = None, mask: None = None) -> tf.Tensor:
    # Mixed precision casts what a layer reads; scale and offset of the fused operation are float32.
    gamma, beta = tf.cast(layer.gamma.value, tf.float32), tf.cast(layer.beta.value, tf.float32)
    mean, variance = layer.moving_mean.value, layer.moving_variance.value
    if not (training and layer.trainable):
        return tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=mean,
            variance=variance,
            epsilon=layer.epsilon,
            is_training=False,
        ).y
    fused = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=gamma,
        offset=beta,
        mean=tf.zeros(0),
        variance=tf.zeros(0),
        epsilon=layer.epsilon,
        is_training=True,
    )
    # The fused variance is the unbiased one, Keras keeps the population's.
    count = tf.cast(tf.reduce_prod(tf.shape(inputs)[:3]), tf.float32)
    population_variance = fused.batch_variance * (count - 1.0) / count
    mean.assign_sub((mean - fused.batch_mean) * (1.0 - layer.momentum))
    variance.assign_sub((variance - population_variance) * (1.0 - layer.momentum))
    return fused.y


def _is_expressible(layer: Any) -> bool:
    # The fused operation wants scale and offset, and maps (n, h, w, channels).
    return layer.scale and layer.center and not layer.renorm and layer.axis in (-1, 3) and len(layer.input.shape) == 4


@contextmanager
def fused_batch_norm(model: keras.Model) -> Iterator[None]:
    """Compute the model's batch normalisations by the fused operation for as long as the context is open.

    The context replaces the method `call` on the layers themselves, and removes the replacement when it closes, also
    after an error. Other models keep Keras's method. A lock lets one thread trace at a time. Contexts of one thread
    may be nested; the outer one removes the replacement.

    Parameters
    ----------
    model : keras.Model
        Flat model. It stays as it is if the fused operation cannot express one of its batch normalisations: another
        axis than the last of four, no scale or no offset.
    """
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not all(map(_is_expressible, layers)):
        yield
        return
    with _LOCK:
        # An outer context of this thread has replaced `call` where it is an attribute of the layer itself.
        own = [layer for layer in layers if "call" not in vars(layer)]
        try:
            for layer in own:
                layer.call = MethodType(_fused_call, layer)
            yield
        finally:
            for layer in own:
                layer.__dict__.pop("call", None)
