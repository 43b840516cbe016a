"""The subsets of a split (train, val, test), and how many units each gets."""

from collections.abc import Sequence

import numpy as np

SUBSETS = ("train", "val", "test")


def apportion(count: int, weights: Sequence[float]) -> list[int]:
    """Divide `count` units in proportion to weights by the largest remainder (Hamilton's method).

    Returns
    -------
    list of int
        One number for every weight. They sum to `count`, and each is within one of its exact share. Of equal
        remainders, the earlier one wins.
    """
    shares = np.array(weights, dtype=float) / sum(weights) * count
    seats = np.floor(shares + 1e-9).astype(int)
    order = np.argsort(seats - shares, kind="stable")
    seats[order[: count - seats.sum()]] += 1
    return seats.tolist()


def subset_sizes(count: int, fractions: Sequence[float]) -> list[int]:
    """Return how many of `count` units each subset gets.

    The sizes follow `apportion`. If there are enough units, no subset stays empty: it takes one from the largest.
    """
    sizes = apportion(count, fractions)
    while count >= len(sizes) and 0 in sizes:
        sizes[sizes.index(max(sizes))] -= 1
        sizes[sizes.index(0)] += 1
    return sizes
