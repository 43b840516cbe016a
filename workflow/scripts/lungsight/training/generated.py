"""Mix generated slices into training: a share of the slices of every step, each of the class that it replaces."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow as tf

from lungsight.classes import Classes
from lungsight.errors import UserError
from lungsight.tables import read_table
from lungsight.training.image_cache import resize_image
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.treatment import Draw, Material, Treatment

TABLE, ARRAY = "generated.tsv", "generated.npy"
EVERY_CLASS = ""  # the label of slices that a generator without classes drew


def read_generated(table: Path, classes: Classes) -> LabelledImages:
    """Read what the rule `generate_slices` wrote, of these classes. The array lies beside its table.

    Slices of a generator without classes have the label -1.
    """
    rows = read_table(table, "generated")
    pixels = np.load(table.with_name(ARRAY), mmap_mode="r", allow_pickle=False)
    if (rows["label"] == EVERY_CLASS).all():
        return LabelledImages(pixels, rows["row"].to_numpy(int), np.full(len(rows), -1))
    rows = rows[rows["label"].isin(classes.names)]
    return LabelledImages(pixels, rows["row"].to_numpy(int), classes.numbers_of(rows["label"]))


def at_size(images: LabelledImages, side: int) -> np.ndarray:
    """Return images, resized to (n, side, side) uint8."""
    return np.array([resize_image(np.asarray(images.pixels[row]), side) for row in images.rows]).reshape(-1, side, side)


def slices_of_class(images: LabelledImages, classes: Classes, label: str, side: int) -> np.ndarray:
    """Return the images of one class, or of EVERY_CLASS, resized to (n, side, side) uint8."""
    if label == EVERY_CLASS:
        return at_size(images, side)
    (number,) = classes.numbers_of(pd.Series([label]))
    return at_size(replace(images, rows=images.rows[images.labels == number]), side)


class WithGenerated(Treatment):
    """Replace slices of a step by generated ones of the same class, each with the probability `share`."""

    def __init__(self, material: Material) -> None:
        if material.generated is None:
            raise ValueError("this remedy needs generated slices")
        self.material, self.share = material, float(material.settings["share"])
        self.pixels = at_size(material.generated, material.size)
        self.places = self._places(np.unique(material.labels), material.generated.labels)
        self.signature = (
            tf.TensorSpec((None, material.size, material.size), tf.uint8),
            tf.TensorSpec((None,), tf.bool),
        )

    @staticmethod
    def _places(wanted: Iterable[int], labels: np.ndarray) -> dict[int, np.ndarray]:
        places = {int(label): np.flatnonzero(labels == label) for label in wanted}
        absent = [label for label, found in places.items() if not len(found)]
        if absent:
            raise UserError(f"pipelines.remedies: there is no generated slice of {len(absent)} of the classes.")
        return places

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Draw a generated slice for every slice of the step, and which of them are replaced."""
        labels = self.material.labels[draw.chosen]
        replaced, shares = draw.rng.random(len(labels)) < self.share, draw.rng.random(len(labels))
        chosen = [
            self.places[int(label)][int(share * len(self.places[int(label)]))]
            for label, share in zip(labels, shares, strict=True)
        ]
        return self.pixels[chosen], replaced

    def compose(self, images: tf.Tensor, extras: tuple[tf.Tensor, ...]) -> tf.Tensor:
        """Put the generated slices in place of real ones, before augmentation."""
        generated, replaced = extras
        return tf.where(replaced[:, None, None], generated, images)
