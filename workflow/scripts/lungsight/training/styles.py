"""Change how training pictures look and keep what they show: greys, sharpness, noise, compression, early features.

References
----------
Zhou, K. et al. (2021). Domain generalization with MixStyle. ICLR.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from lungsight.training.swapping import gaussian_blur
from lungsight.training.treatment import Draw, Material, Treatment

GREYS = 255.0
STRIDE = 4  # MixStyle acts on the last features of this many input pixels per pixel of the map
SMALL = 1e-6


class Style(NamedTuple):
    """The style of n pictures; the values in brackets leave a picture as it is.

    Attributes
    ----------
    gamma, contrast, shift
        (n,) float32: exponent of the grey (1), factor about the middle grey (1), and what is added, as a share of the
        range of greys (0).
    blur, noise
        (n,) float32: standard deviations of the Gaussian, in pixels (0), and of the noise, as a share of the range (0).
    quality
        (n,) int32, of JPEG (0: no compression).
    seed
        (2,) int32, of the noise.
    """

    gamma: np.ndarray
    contrast: np.ndarray
    shift: np.ndarray
    blur: np.ndarray
    noise: np.ndarray
    quality: np.ndarray
    seed: np.ndarray


class Mixing(NamedTuple):
    """How the styles of features are mixed: share (n,) float32 of the own style, and order (n,) int32, whose other."""

    share: np.ndarray
    order: np.ndarray


def draw_style(rng: np.random.Generator, n: int, size: int, settings: dict[str, Any]) -> Style:
    """Draw the style of n pictures: each change has the probability of the settings, and is uniform over its range."""
    taken, values = rng.random((6, n)) < settings["probability"], rng.random((6, n))
    ranges = {
        "gamma": settings["gamma"],
        "contrast": settings["contrast"],
        "shift": (-settings["shift"], settings["shift"]),
        "blur": (0.0, settings["low_pass"] * size),
        "noise": (0.0, settings["noise"]),
        "quality": settings["jpeg"],
    }
    neutral = {"gamma": 1.0, "contrast": 1.0}
    drawn = {
        name: np.where(taken[place], low + (high - low) * values[place], neutral.get(name, 0.0)).astype(np.float32)
        for place, (name, (low, high)) in enumerate(ranges.items())
    }
    quality = np.rint(drawn.pop("quality")).astype(np.int32)
    return Style(**drawn, quality=quality, seed=rng.integers(0, 2**31 - 1, 2, dtype=np.int32))


def draw_mixing(rng: np.random.Generator, n: int, probability: float, alpha: float) -> Mixing:
    """Draw how n pictures mix: shares by Beta(alpha, alpha); with 1 − probability none of them does."""
    mixes, shares, order = rng.random() < probability, rng.beta(alpha, alpha, n), rng.permutation(n)
    return Mixing((shares if mixes else np.ones(n)).astype(np.float32), order.astype(np.int32))


def jpeg(pictures: tf.Tensor, quality: tf.Tensor) -> tf.Tensor:
    """Compress pictures (n, size, size) float32 in 0-255 by JPEG, each at its quality (n,) int32; 0 is none."""
    eight_bit = tf.expand_dims(tf.cast(tf.round(pictures), tf.uint8), -1)

    def compressed(one: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        picture, at = one
        return tf.cond(at > 0, lambda: tf.image.adjust_jpeg_quality(picture, tf.maximum(at, 1)), lambda: picture)

    changed = tf.map_fn(
        compressed, (eight_bit, quality), fn_output_signature=tf.TensorSpec(eight_bit.shape[1:], tf.uint8)
    )
    return tf.where(quality[:, None, None] > 0, tf.cast(changed[..., 0], tf.float32), pictures)


def restyled(pictures: tf.Tensor, style: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Apply a `Style` to pictures (n, size, size) float32 in 0-255: greys, then sharpness, noise and compression."""
    gamma, contrast, shift, blur, noise, quality, seed = style
    of_each = [value[:, None, None] for value in (gamma, contrast, shift, noise)]
    grey = tf.pow(tf.maximum(pictures, 0.0) / GREYS, of_each[0])
    grey = tf.clip_by_value((grey - 0.5) * of_each[1] + 0.5 + of_each[2], 0.0, 1.0)
    soft = gaussian_blur(grey, blur)
    noisy = soft + of_each[3] * tf.random.stateless_normal(tf.shape(soft), seed)
    return jpeg(GREYS * tf.clip_by_value(noisy, 0.0, 1.0), quality)


def mix_styles(features: tf.Tensor, share: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
    """Mix the mean and the standard deviation of features (n, h, w, c) between pictures (Zhou 2021).

    Parameters
    ----------
    features
        Of n pictures. No gradient goes through their means and deviations.
    share
        (n,) of the own style; the rest is that of the picture at `order`.
    order
        (n,) int32.
    """
    own = tf.cast(features, tf.float32)
    mean, variance = tf.nn.moments(own, axes=(1, 2), keepdims=True)
    mean, deviation = tf.stop_gradient(mean), tf.stop_gradient(tf.sqrt(variance + SMALL))
    weight = share[:, None, None, None]
    mixed_mean = weight * mean + (1.0 - weight) * tf.gather(mean, order)
    mixed_deviation = weight * deviation + (1.0 - weight) * tf.gather(deviation, order)
    return tf.cast((own - mean) / deviation * mixed_deviation + mixed_mean, features.dtype)


def early_layer(model: keras.Model) -> keras.Layer:
    """Return the last layer whose maps have STRIDE input pixels per pixel."""
    size = model.input_shape[1] // STRIDE
    outputs = [(layer, getattr(layer, "output", None)) for layer in model.layers]
    return [
        layer for layer, output in outputs if output is not None and len(output.shape) == 4 and output.shape[1] >= size
    ][-1]


class RandomStyle(Treatment):
    """Give every training picture a style of its own."""

    def __init__(self, material: Material) -> None:
        self.settings, self.size = material.settings, material.size
        numbers, whole = tf.TensorSpec((None,), tf.float32), tf.TensorSpec((None,), tf.int32)
        self.signature = (*[numbers] * 5, whole, tf.TensorSpec((2,), tf.int32), numbers, whole)

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw a `Style` and a `Mixing`."""
        n, settings = len(draw.chosen), self.settings
        style = draw_style(draw.rng, n, self.size, settings)
        return (*style, *draw_mixing(draw.rng, n, settings["mixstyle"], settings["mixstyle_alpha"]))

    def restyle(self, pictures: tf.Tensor, extras: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Apply the style."""
        return restyled(pictures, extras[:7])

    @contextmanager
    def tracing(self, model: keras.Model, extras: tuple[tf.Tensor, ...]) -> Iterator[None]:
        """Mix the features of an early layer, whose method `call` is replaced while the step is traced."""
        layer: Any = early_layer(model)
        before, own = layer.call, vars(layer).get("call")
        try:
            layer.call = lambda *inputs, **options: mix_styles(before(*inputs, **options), *extras[7:])
            yield
        finally:
            if own is None:
                del layer.__dict__["call"]
            else:
                layer.call = own
