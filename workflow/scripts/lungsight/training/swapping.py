"""Put the lung of a training slice into the body of another patient.

The background is equally often that of a patient of another class and of the same class, so that neither it nor the
seam tells the class. The label follows the lung.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.training.grey_levels import body_level
from lungsight.training.treatment import Draw, Material, Treatment, widened

KEPT, SAME, OTHER = 0, 1, 2  # whose background a slice gets
SAMPLE = 256  # images that the body's grey is measured on


def gaussian_matrices(sigmas: tf.Tensor, size: int) -> tf.Tensor:
    """Make the matrices (n, size, size) that blur one axis by Gaussians; at the edge the pixels inside count alone.

    Parameters
    ----------
    sigmas
        (n,) float32, in pixels. One of 0 leaves an image as it is.
    size
        Rows and columns of an image.
    """
    place = tf.range(size, dtype=tf.float32)
    distance = (place[:, None] - place[None, :])[None]
    weights = tf.exp(-0.5 * tf.square(distance / tf.maximum(sigmas, 1e-3)[:, None, None]))
    return weights / tf.reduce_sum(weights, axis=2, keepdims=True)


def gaussian_blur(images: tf.Tensor, sigmas: tf.Tensor) -> tf.Tensor:
    """Blur images (n, size, size) float32, each by a Gaussian of its own (n,), in pixels."""
    matrices = gaussian_matrices(sigmas, int(images.shape[1] or 0))
    return tf.matmul(tf.matmul(matrices, images), matrices, transpose_b=True)


def swapped(
    images: tf.Tensor,
    lungs: tf.Tensor,
    donors: tf.Tensor,
    lungs_of_donors: tf.Tensor,
    level: float,
    reach: int,
    feather: float,
) -> tf.Tensor:
    """Put the lungs of images into the backgrounds of donors.

    Where the donor has lung and the image has none, there is nothing to take: the grey of the body fills it. The seam
    is feathered: the lung with its margin, blurred by a Gaussian, is how much of the image is seen.

    Parameters
    ----------
    images, donors
        (n, size, size) in 0-255.
    lungs, lungs_of_donors
        (n, size, size), 0 or 1.
    level
        The grey of the body.
    reach
        Pixels that the margin adds to a lung.
    feather
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    (n, size, size) float32, whole numbers in 0-255.
    """
    wide, wide_of_donors = widened(lungs, reach), widened(lungs_of_donors, reach)
    background = tf.where(wide_of_donors > 0, level, tf.cast(donors, tf.float32))
    seen = gaussian_blur(wide, tf.fill(tf.shape(wide)[:1], feather))
    return tf.round(seen * tf.cast(images, tf.float32) + (1.0 - seen) * background)


@dataclass(frozen=True)
class Donors:
    """Whose background a slice can have: slices with lung in an accepted mask.

    Attributes
    ----------
    rows_of
        Patient → the positions of its slices, in table order.
    class_of
        Patient → label.
    height
        (n,) of each slice, 0 for a patient's first, 1 for its last.
    """

    rows_of: dict[int, np.ndarray]
    class_of: dict[int, int]
    height: np.ndarray

    @classmethod
    def among(cls, material: Material) -> "Donors":
        """Find the donors among the training images.

        Raises
        ------
        UserError
            A class has fewer than two patients with lung in an accepted mask.
        """
        usable, patients = material.usable, material.patients
        rows_of = {int(patient): np.flatnonzero(usable & (patients == patient)) for patient in np.unique(patients)}
        rows_of = {patient: rows for patient, rows in rows_of.items() if len(rows)}
        class_of = {patient: int(material.labels[rows[0]]) for patient, rows in rows_of.items()}
        height = np.zeros(len(patients))
        for rows in rows_of.values():
            height[rows] = np.arange(len(rows)) / max(len(rows) - 1, 1)
        for label in np.unique(material.labels):
            found = list(class_of.values()).count(int(label))
            if found < 2:
                raise UserError(
                    f"pipelines.remedies: lung_swap needs two training patients of each class with lung in a mask that"
                    f" passed quality control; of one class there are {found}. Leave lung_swap out, or check the masks."
                )
        return cls(rows_of, class_of, height)

    def choose(self, place: int, patient: int, kind: int, share: float) -> int:
        """Choose the slice of another patient at the same height.

        Parameters
        ----------
        place, patient
            Of the slice.
        kind
            SAME or OTHER.
        share
            Drawn, 0 to 1: which of the patients.
        """
        own = self.class_of[patient]
        candidates = [
            other
            for other, label in self.class_of.items()
            if (label != own if kind == OTHER else label == own and other != patient)
        ]
        giving = self.rows_of[candidates[int(share * len(candidates))]]
        return int(giving[round(float(self.height[place]) * (len(giving) - 1))])


class Swap(Treatment):
    """Swap backgrounds in training.

    Parameters
    ----------
    material
        Of the training.
    kinds
        Between which it draws; the remedy draws between both.
    """

    def __init__(self, material: Material, kinds: tuple[int, ...] = (OTHER, SAME)) -> None:
        settings, size = material.settings, material.size
        self.material, self.kinds, self.donors = material, kinds, Donors.among(material)
        self.usable, self.probability = material.usable, settings["probability"]
        self.reach, self.feather = round(settings["margin"] * size), settings["feather"] * size
        sample = np.unique(np.linspace(0, len(material.rows) - 1, SAMPLE).round().astype(int))
        outside = material.lungs_at(sample) == 0
        self.level = body_level(material.pixels[material.rows[sample]][outside])
        images = tf.TensorSpec((None, size, size), tf.uint8)
        self.signature = (images, images, images, tf.TensorSpec((None,), tf.bool))

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw whose background each slice gets: its lung, the donors, their lungs, and whether it is swapped."""
        kinds, shares = draw.rng.random(len(draw.chosen)), draw.rng.random(len(draw.chosen))
        swaps, donors = np.zeros(len(draw.chosen), bool), draw.chosen.copy()
        for number, place in enumerate(draw.chosen):
            drawn = int(kinds[number] / self.probability)
            if drawn < len(self.kinds) and self.usable[place]:
                patient = int(self.material.patients[place])
                donors[number] = self.donors.choose(int(place), patient, self.kinds[drawn], shares[number])
                swaps[number] = True
        pixels = self.material.pixels[self.material.rows[donors]]
        return self.material.lungs_at(draw.chosen), pixels, self.material.lungs_at(donors), swaps

    def compose(self, images: tf.Tensor, extras: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Swap the backgrounds that were drawn."""
        lungs, donors, lungs_of_donors, swaps = extras
        changed = swapped(images, lungs, donors, lungs_of_donors, self.level, self.reach, self.feather)
        return tf.where(swaps[:, None, None], changed, tf.cast(images, tf.float32))
