"""Augment training images: flips, rotation and brightness, drawn by NumPy, applied inside the training step.

Intensities stay in 0-255 until the backbone's own preprocessing, in training as in prediction. A brightness factor of
1 leaves an image as it is.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf


class Augmentation(NamedTuple):
    """The augmentation of n images.

    Attributes
    ----------
    transforms
        (n, 8) float32, mapping an output pixel (column, row) to the input; see `transforms_about_centre`.
    brightness
        (n,) float32 factors.
    """

    transforms: np.ndarray
    brightness: np.ndarray


def generator(seed: int, *place: int) -> np.random.Generator:
    """Return the random generator of one place in the training (stage, epoch, step), the same for every pipeline."""
    return np.random.default_rng([seed, *place])


def draw_augmentation(rng: np.random.Generator, n: int, size: int, settings: dict[str, Any]) -> Augmentation:
    """Draw the augmentation of n images of (size, size) pixels.

    Each enabled flip has probability ½. Angle and brightness are uniform over their ranges. The same random numbers are
    drawn whatever is enabled, so that disabling one augmentation changes no other.

    Parameters
    ----------
    rng
        Of this step, by `generator`.
    n, size
        Number of images, and their rows and columns.
    settings
        The config's `training.augmentation`; rotation in degrees.
    """
    flips = rng.random((2, n)) < 0.5
    turns, factors = rng.random((2, n))
    horizontal = np.where(flips[0] & settings["horizontal_flip"], -1.0, 1.0)
    vertical = np.where(flips[1] & settings["vertical_flip"], -1.0, 1.0)
    angles = np.deg2rad((2 * turns - 1) * settings["rotation"])
    low, high = settings["brightness"]
    return Augmentation(
        transforms_about_centre(horizontal, vertical, angles, size), (low + (high - low) * factors).astype(np.float32)
    )


def no_augmentation(n: int) -> Augmentation:
    """Leave n images as they are."""
    identity = np.tile(np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32), (n, 1))
    return Augmentation(identity, np.ones(n, np.float32))


def transforms_about_centre(horizontal: np.ndarray, vertical: np.ndarray, angles: np.ndarray, size: int) -> np.ndarray:
    """Compute flips and rotations about the image's centre as projective transforms.

    Parameters
    ----------
    horizontal, vertical
        (n,), −1 to flip, 1 to leave.
    angles
        (n,) in radians.
    size
        Rows and columns of an image.

    Returns
    -------
    (n, 8) float32 [a0 a1 a2 b0 b1 b2 0 0]: the output pixel (x, y) = (column, row) shows the input at
    (a0 x + a1 y + a2, b0 x + b1 y + b2).
    """
    cosine, sine = np.cos(angles), np.sin(angles)
    matrix = np.array([[horizontal * cosine, -horizontal * sine], [vertical * sine, vertical * cosine]])
    centre = np.full(2, (size - 1) / 2)
    offset = centre[:, None] - np.einsum("ijn,j->in", matrix, centre)
    zeros = np.zeros_like(angles)
    rows = [matrix[0, 0], matrix[0, 1], offset[0], matrix[1, 0], matrix[1, 1], offset[1], zeros, zeros]
    return np.stack(rows, axis=1).astype(np.float32)


def augment(images: tf.Tensor, transforms: tf.Tensor, brightness: tf.Tensor) -> tf.Tensor:
    """Apply an `Augmentation` to images.

    Values between pixels are bilinear. Outside the image the nearest pixel holds.

    Parameters
    ----------
    images
        (n, size, size) in 0-255.
    transforms, brightness
        As `Augmentation` has them.

    Returns
    -------
    (n, size, size) float32 in 0-255.
    """
    gray = tf.cast(images, tf.float32)[..., None]  # pyright: ignore[reportArgumentType]  # the stub knows no `...`
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=gray,
        transforms=transforms,
        output_shape=images.shape[1:],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.clip_by_value(moved[..., 0] * brightness[:, None, None], 0.0, 255.0)
