"""Assign units (patients, groups of patients, slices) to the subsets of a split: stratified, seeded, in table order.

No function here sees a pseudonym. A unit is its place in a list, so a new key of the pseudonyms changes no assignment.
"""

from collections.abc import Hashable, Sequence

import numpy as np

from lungsight.subsets import SUBSETS, subset_sizes

FREE = -1  # of a unit that is not assigned yet

Classes = Sequence[tuple[Hashable, ...]]


def in_strata(units: Sequence[int], strata: Classes | None, rng: np.random.Generator) -> list[int]:
    """Shuffle units, but keep those of one stratum together.

    Units with equal `strata[unit][:1]` follow each other; among them those with equal `strata[unit][:2]`, and so on.
    """
    shuffled = rng.permutation(np.asarray(units, dtype=int)).tolist()
    if strata is None:
        return shuffled
    prefixes = {unit: [strata[unit][:depth] for depth in range(1, len(strata[unit]) + 1)] for unit in shuffled}
    first_place: dict[tuple, int] = {}
    for place, unit in enumerate(shuffled):
        for prefix in prefixes[unit]:
            first_place.setdefault(prefix, place)
    return sorted(shuffled, key=lambda unit: [first_place[prefix] for prefix in prefixes[unit]])


def assign_subsets(
    classes: Classes, weights: Sequence[float], seed: int, prior: Sequence[int], strata: Classes | None = None
) -> list[int]:
    """Assign every unit to a subset, so that each class is divided by the weights, and its strata as evenly as can be.

    The rarest class is assigned first. The units of a class are taken in an order in which those of one stratum follow
    each other. Each goes to the subset that is furthest behind its share, so that every stratum is divided by the
    weights as well. If every unit has one class, the sizes of a class are exactly those of `subset_sizes`.

    Parameters
    ----------
    classes
        The classes of each unit, in table order. A patient of two cohorts has a class in each.
    weights
        The share of each subset.
    prior
        The number of the subset that a unit already has, or FREE. The free units fill the subsets up.
    strata
        What else to divide evenly, for each unit from coarse to fine.

    Returns
    -------
    list of int
        The number of the subset of every unit: 0, 1, …

    References
    ----------
    Systematic sampling with implicit stratification; for units of several classes iterative stratification (Sechidis et
    al., ECML PKDD 2011).
    """
    assigned = list(prior)
    units_of: dict[Hashable, list[int]] = {}
    for unit, names in enumerate(classes):
        for name in names:
            units_of.setdefault(name, []).append(unit)
    missing = {name: np.array(subset_sizes(len(units), weights)) for name, units in units_of.items()}

    def place(unit: int, subset: int) -> None:
        assigned[unit] = subset
        for name in classes[unit]:
            missing[name][subset] -= 1

    for unit, subset in enumerate(prior):
        if subset != FREE:
            place(unit, subset)
    for number, name in enumerate(sorted(units_of, key=lambda name: (len(units_of[name]), str(name)))):
        free = [unit for unit in units_of[name] if assigned[unit] == FREE]
        capacity = np.maximum(missing[name], 0)
        shares, taken = capacity / max(capacity.sum(), 1), np.zeros(len(capacity))
        for rank, unit in enumerate(in_strata(free, strata, np.random.default_rng([seed, number])), start=1):
            fits = np.sum([missing[other] > 0 for other in classes[unit]], axis=0)
            behind = (shares * rank - taken).round(9)
            subset = max(
                range(len(capacity)),
                key=lambda k: (missing[name][k] > 0, fits[k], behind[k], missing[name][k], -k),
            )
            taken[subset] += 1
            place(unit, subset)
    return assigned


def assign(
    classes: Classes,
    fractions: Sequence[float],
    seed: int,
    prior: Sequence[str] | None = None,
    strata: Classes | None = None,
) -> list[str]:
    """Assign units to train, val and test by `assign_subsets`. prior: the name of a unit's subset, or ""."""
    numbers = [SUBSETS.index(subset) if subset else FREE for subset in prior or [""] * len(classes)]
    return [SUBSETS[subset] for subset in assign_subsets(classes, fractions, seed, numbers, strata)]


def assign_fold(
    classes: Classes,
    fractions: Sequence[float],
    seed: int,
    prior: Sequence[str],
    strata: Classes | None,
    folds: int,
    fold: int,
) -> list[str]:
    """Assign units for one fold of a cross-validation: fold number `fold` of `folds` is test.

    Over all folds, every free unit is in test exactly once.

    Parameters
    ----------
    fractions
        Of train, val and test. Train and val divide what is not test in the ratio of their fractions.
    prior
        "test" or "". A unit with "test" is in test in every fold and belongs to none.
    fold
        1-based.
    """
    free = [unit for unit, subset in enumerate(prior) if not subset]

    def divide(units: list[int], weights: Sequence[float]) -> dict[int, int]:
        own_strata = None if strata is None else [strata[unit] for unit in units]
        numbers = assign_subsets([classes[unit] for unit in units], weights, seed, [FREE] * len(units), own_strata)
        return dict(zip(units, numbers, strict=True))

    fold_of = divide(free, [1.0] * folds)
    subset_of = divide([unit for unit in free if fold_of[unit] != fold - 1], fractions[:2])
    return [SUBSETS[subset_of[unit]] if unit in subset_of else "test" for unit in range(len(classes))]
