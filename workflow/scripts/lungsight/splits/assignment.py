"""Assign units (patients, groups of patients, slices) to the sides of a split: stratified, seeded, in table order.

Nothing here sees a pseudonym: units are places in a list, so a new key changes no side.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from lungsight.subsets import SUBSETS, subset_sizes

FREE = -1

Classes = Sequence[tuple[Hashable, ...]]


def in_strata(units: Sequence[int], strata: Classes | None, rng: np.random.Generator) -> list[int]:
    """Shuffle the units, and keep together those that share `strata[unit][:1]`, in them `[:2]`, and so on."""
    shuffled = rng.permutation(np.asarray(units, dtype=int)).tolist()
    if strata is None:
        return shuffled
    prefixes = {unit: [strata[unit][:depth] for depth in range(1, len(strata[unit]) + 1)] for unit in shuffled}
    seen: dict[tuple, int] = {}
    for place, unit in enumerate(shuffled):
        for prefix in prefixes[unit]:
            seen.setdefault(prefix, place)
    return sorted(shuffled, key=lambda unit: [seen[prefix] for prefix in prefixes[unit]])


def assign_subsets(
    classes: Classes, weights: Sequence[float], seed: int, given: Sequence[int], strata: Classes | None = None
) -> list[int]:
    """The side (0, 1, …) of every unit, so that each class is divided by the weights, and its strata as evenly.

    classes: the classes that each unit has, in table order; a patient of two cohorts has one of each. given: the side
    that a unit already has, or FREE; such a unit is not moved, and the others fill up. strata: what else should be
    alike on all sides, coarse to fine.

    Classes are served from the rarest on. The units of a class pass in an order in which those of one stratum follow
    each other, and each goes to the side that is furthest behind its share, so every stratum is divided by the weights
    as well; with one class a unit the sizes of a class are exactly those of `sizes_of_sides`. Sources: systematic
    sampling with implicit stratification; iterative stratification (Sechidis et al. 2011) for units of several classes.
    """
    sides = list(given)
    members: dict[Hashable, list[int]] = {}
    for unit, own in enumerate(classes):
        for name in own:
            members.setdefault(name, []).append(unit)
    wanted = {name: np.array(subset_sizes(len(units), weights)) for name, units in members.items()}

    def place(unit: int, side: int) -> None:
        sides[unit] = side
        for name in classes[unit]:
            wanted[name][side] -= 1

    for unit, side in enumerate(given):
        if side != FREE:
            place(unit, side)
    for number, name in enumerate(sorted(members, key=lambda name: (len(members[name]), str(name)))):
        free = [unit for unit in members[name] if sides[unit] == FREE]
        room = np.maximum(wanted[name], 0)
        shares, taken = room / max(room.sum(), 1), np.zeros(len(room))
        for rank, unit in enumerate(in_strata(free, strata, np.random.default_rng([seed, number])), start=1):
            fits = sum((wanted[other] > 0).astype(int) for other in classes[unit])
            behind = shares * rank - taken
            side = max(
                range(len(room)),
                key=lambda side: (wanted[name][side] > 0, fits[side], behind[side].round(9), wanted[name][side], -side),
            )
            taken[side] += 1
            place(unit, side)
    return sides


def assign(
    classes: Classes,
    fractions: Sequence[float],
    seed: int,
    given: Sequence[str] | None = None,
    strata: Classes | None = None,
) -> list[str]:
    """`assign_sides` to train, val and test, by name; fractions: of these three. given: a name, or ""."""
    known = [SUBSETS.index(side) if side else FREE for side in given or [""] * len(classes)]
    return [SUBSETS[side] for side in assign_subsets(classes, fractions, seed, known, strata)]


def assign_fold(
    classes: Classes,
    fractions: Sequence[float],
    seed: int,
    given: Sequence[str],
    strata: Classes | None,
    folds: int,
    fold: int,
) -> list[str]:
    """One fold of a cross-validation: fold number `fold` (1-based) of `folds` is test, the rest train and val.

    Over all folds every free unit is in test exactly once. given: "test" or ""; a unit with "test" is in test in every
    fold and counts in none. fractions: train and val share what is left as their two numbers stand to each other.
    """
    free = [unit for unit, side in enumerate(given) if not side]

    def among(units: list[int], weights: Sequence[float]) -> list[int]:
        chosen = None if strata is None else [strata[unit] for unit in units]
        return assign_subsets([classes[unit] for unit in units], weights, seed, [FREE] * len(units), chosen)

    folds_of = dict(zip(free, among(free, [1.0] * folds), strict=True))
    rest = [unit for unit in free if folds_of[unit] != fold - 1]
    trained = dict(zip(rest, among(rest, fractions[:2]), strict=True))
    return [SUBSETS[trained[unit]] if unit in trained else "test" for unit in range(len(classes))]
