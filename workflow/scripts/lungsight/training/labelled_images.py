"""Hold labelled images: what a training is given, alone or in bags."""

from dataclasses import dataclass

import numpy as np

from lungsight.training.bags import count_bags, draw_bags
from lungsight.training.sharded_array import Rows


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images: some rows of an image array.

    Parameters
    ----------
    pixels : numpy.ndarray or ShardedArray
        Images (N, size, size) uint8, which may be memory-mapped.
    rows : numpy.ndarray
        Rows (n,) int of `pixels` that are used.
    labels : numpy.ndarray
        Their labels (n,) int.
    patients : numpy.ndarray, optional
        The patient of each, (n,) int from 0. Only bags need it.
    """

    pixels: Rows
    rows: np.ndarray
    labels: np.ndarray
    patients: np.ndarray | None = None

    def __len__(self) -> int:
        """Count the images that are used."""
        return len(self.rows)

    def batch(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read the images and labels at the positions `chosen`."""
        return self.pixels[self.rows[chosen]], self.labels[chosen]

    def groups(self) -> np.ndarray:
        """Return the patients. Raise ValueError where they are not known."""
        if self.patients is None:
            raise ValueError("bags need the patient of every image")
        return self.patients

    def bags(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """Draw all positions in bags of `size`, (bags, size) int. With size 1, each position is a bag of its own."""
        return np.arange(len(self))[:, None] if size == 1 else draw_bags(rng, self.groups(), size)

    def count(self, size: int) -> int:
        """Count the bags of `size`."""
        return len(self) if size == 1 else count_bags(self.groups(), size)


@dataclass(frozen=True)
class JoinedImages:
    """Images of several cohorts, numbered one cohort after the other. Nothing is copied before it is read."""

    parts: tuple[LabelledImages, ...]

    def __len__(self) -> int:
        """Count the images."""
        return sum(map(len, self.parts))

    def at(self, chosen: np.ndarray) -> np.ndarray:
        """Read the images (n, size, size) uint8 at the positions `chosen` (n,)."""
        starts = np.cumsum([0, *map(len, self.parts)])
        parts = np.searchsorted(starts, chosen, side="right") - 1
        return np.stack(
            [
                self.parts[part].batch(np.array([place - starts[part]]))[0][0]
                for part, place in zip(parts, chosen, strict=True)
            ]
        )
