"""Draw random views of slices for a training without labels: crops, flips, turns, greys and blur.

They are the augmentations of SimSiam and SimCLR without those of colour, which CT has not. Everything is drawn by NumPy
and applied inside the training step, as `augmentation` does.

References
----------
Chen, T. et al. (2020). A simple framework for contrastive learning of visual representations. ICML.
Chen, X. and He, K. (2021). Exploring simple Siamese representation learning. CVPR.
"""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from lungsight.training.augmentation import augment, draw_augmentation
from lungsight.training.swapping import gaussian_blur

RATIOS = (3 / 4, 4 / 3)  # width : height of a crop
GREYS_CHANGE, IS_BLURRED = 0.8, 0.5  # probabilities of these changes, as the paper has them


class Views(NamedTuple):
    """How n views look.

    Attributes
    ----------
    transforms
        (n, 8) float32, mapping an output pixel to the input, as `augmentation.Augmentation` has them.
    brightness, contrast
        (n,) float32 factors; that of contrast is about the mean of the view. 1 leaves a view as it is.
    blur
        (n,) float32, standard deviation of the Gaussian in pixels. 0 leaves a view as it is.
    """

    transforms: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    blur: np.ndarray


def draw_views(rng: np.random.Generator, n: int, size: int, settings: dict[str, Any]) -> Views:
    """Draw n views of (size, size) pixels.

    An image is flipped and turned. A crop of it has a uniform share of the area and a ratio of sides that is uniform
    in its logarithm, and is resized to the whole.

    Parameters
    ----------
    rng
        Of this step and view.
    n, size
        Number of views, and their rows and columns.
    settings
        The config's `training.simsiam.augmentation`.
    """
    low, high = settings["crop"]
    shares, ratios = rng.uniform(low, high, n), np.exp(rng.uniform(np.log(RATIOS[0]), np.log(RATIOS[1]), n))
    sides = np.minimum(1.0, np.sqrt(shares * np.stack([ratios, 1 / ratios])))  # width, height
    corners = rng.random((2, n)) * (1 - sides) * size
    turned, brightness = draw_augmentation(rng, n, size, settings)
    low, high = settings["contrast"]
    contrast = rng.uniform(low, high, n)
    changes, blurred = rng.random(n) < GREYS_CHANGE, rng.random(n) < IS_BLURRED
    return Views(
        cropped(turned, sides, corners),
        np.where(changes, brightness, 1.0).astype(np.float32),
        np.where(changes, contrast, 1.0).astype(np.float32),
        np.where(blurred, rng.random(n) * settings["blur"] * size, 0.0).astype(np.float32),
    )


def cropped(transforms: np.ndarray, sides: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Let transforms (n, 8) show a part of what they show, resized to the whole.

    Parameters
    ----------
    transforms
        As `augmentation.transforms_about_centre` returns them.
    sides
        (2, n), width and height of the part as shares of the whole.
    corners
        (2, n), its first column and row, in pixels.

    Returns
    -------
    (n, 8) float32.
    """
    # Pixel centres: the output pixel x shows the place (x + ½) · side + corner − ½ of the whole.
    offsets = corners + 0.5 * sides - 0.5
    found = transforms.astype(np.float64)
    for first in (0, 3):
        column, row = found[:, first].copy(), found[:, first + 1].copy()
        found[:, first], found[:, first + 1] = column * sides[0], row * sides[1]
        found[:, first + 2] += column * offsets[0] + row * offsets[1]
    return found.astype(np.float32)


def show(images: tf.Tensor, views: tuple[tf.Tensor, ...]) -> tf.Tensor:
    """Make views of images (n, size, size) in 0-255, as `Views` describes them; float32 in 0-255."""
    transforms, brightness, contrast, blur = views
    seen = augment(images, transforms, brightness)
    mean = tf.reduce_mean(seen, axis=(1, 2), keepdims=True)
    return gaussian_blur(tf.clip_by_value(mean + (seen - mean) * contrast[:, None, None], 0.0, 255.0), blur)
