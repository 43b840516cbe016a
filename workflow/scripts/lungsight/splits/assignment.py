"""Assign units (patients or slices) to train, val and test: stratified, seeded, in table order.

Nothing here sees a pseudonym: units are places in a list, so a new key changes no side.
"""

from collections.abc import Hashable, Sequence

import numpy as np

SIDES = ("train", "val", "test")


def apportion(count: int, weights: Sequence[float]) -> list[int]:
    """Divide `count` units among sides by the largest remainder; ties go to the earlier side.

    Returns non-negative integers that sum to `count`, each within one of its exact share. Source: Hamilton's method.
    """
    shares = np.array(weights, dtype=float) / sum(weights) * count
    seats = np.floor(shares + 1e-9).astype(int)
    order = np.argsort(seats - shares, kind="stable")
    seats[order[: count - seats.sum()]] += 1
    return seats.tolist()


def sizes_of_sides(count: int, fractions: Sequence[float]) -> list[int]:
    """How many units of a stratum each side gets: by the largest remainder, and none without one where it can be.

    A stratum of three or more gives every side at least one unit, taken from the side that has most.
    """
    sizes = apportion(count, fractions)
    while count >= len(sizes) and 0 in sizes:
        sizes[sizes.index(max(sizes))] -= 1
        sizes[sizes.index(0)] += 1
    return sizes


def assign(
    classes: Sequence[tuple[Hashable, ...]], fractions: Sequence[float], seed: int, given: Sequence[str] | None = None
) -> list[str]:
    """The side of every unit, so that each class is divided by the fractions.

    classes: the classes that each unit has, in table order; a patient of two cohorts has one of each. fractions: of
    train, val, test. given: the side that a unit already has, or ""; such a unit is not moved, and the others fill up.

    Units of the rarest class go first, shuffled by the seed, each to the side that wants its class most. With one class
    a unit the sizes are exactly those of `sizes_of_sides`. Source: iterative stratification, Sechidis et al. 2011.
    """
    sides = list(given) if given is not None else [""] * len(classes)
    members: dict[Hashable, list[int]] = {}
    for unit, own in enumerate(classes):
        for name in own:
            members.setdefault(name, []).append(unit)
    wanted = {name: np.array(sizes_of_sides(len(units), fractions)) for name, units in members.items()}
    for unit, side in enumerate(sides):
        if side:
            _place(side, classes[unit], wanted)
    names = sorted(members, key=lambda name: (len(members[name]), str(name)))
    for number, name in enumerate(names):
        free = [unit for unit in members[name] if not sides[unit]]
        for unit in np.random.default_rng([seed, number]).permutation(free).astype(int):
            others = sum(wanted[other] for other in classes[unit])
            side = SIDES[max(range(len(SIDES)), key=lambda side: (wanted[name][side], others[side], -side))]
            sides[unit] = side
            _place(side, classes[unit], wanted)
    return sides


def _place(side: str, classes: tuple[Hashable, ...], wanted: dict[Hashable, np.ndarray]) -> None:
    for name in classes:
        wanted[name][SIDES.index(side)] -= 1
