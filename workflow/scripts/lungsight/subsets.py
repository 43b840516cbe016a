"""The sides of every split, and how many units each gets."""

from collections.abc import Sequence

import numpy as np

SUBSETS = ("train", "val", "test")


def apportion(count: int, weights: Sequence[float]) -> list[int]:
    """Divide `count` units among sides by the largest remainder; ties go to the earlier side.

    Returns non-negative integers that sum to `count`, each within one of its exact share. Source: Hamilton's method.
    """
    shares = np.array(weights, dtype=float) / sum(weights) * count
    seats = np.floor(shares + 1e-9).astype(int)
    order = np.argsort(seats - shares, kind="stable")
    seats[order[: count - seats.sum()]] += 1
    return seats.tolist()


def subset_sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """How many units of a class each side gets: by the largest remainder, and none without one where it can be.

    With as many units as sides or more, every side has at least one, taken from the side that has most.
    """
    sizes = apportion(count, fractions)
    while count >= len(sizes) and 0 in sizes:
        sizes[sizes.index(max(sizes))] -= 1
        sizes[sizes.index(0)] += 1
    return sizes
