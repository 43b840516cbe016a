"""Split the segmentation cohort into train, val and test, by patient or by slice."""

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.subsets import SUBSETS, subset_sizes

UNITS = ("patient", "slice")


def _preassigned_subsets(cases: pd.DataFrame) -> dict[str, str]:
    """Map patients to their subset by the split column of the table, without patients whose column is empty."""
    assigned = cases[cases["preassigned_split"] != ""]
    for _, rows in assigned.groupby("patient", sort=False):
        if rows["preassigned_split"].nunique() > 1:
            where = ", ".join(
                f"row {row} {subset}" for row, subset in zip(rows["row"], rows["preassigned_split"], strict=True)
            )
            raise UserError(
                f"The segmentation cohort's table puts one patient into two subsets: {where}. Choose one split."
            )
    return dict(zip(assigned["patient"], assigned["preassigned_split"], strict=True))


def with_preassigned_subsets(cases: pd.DataFrame, subsets: dict[str, str]) -> pd.DataFrame:
    """Write the subset that a patient has in another cohort into `preassigned_split`.

    Parameters
    ----------
    cases
        The table `cases`.
    subsets
        Number of the table row, as text → train, val or test.
    """
    elsewhere = cases["row"].astype(str).map(subsets)
    return cases.assign(preassigned_split=elsewhere.fillna(cases["preassigned_split"]))


def split_cases(cases: pd.DataFrame, fractions: list[float] | None, seed: int, unit: str = "patient") -> pd.DataFrame:
    """Assign usable cases to train, val and test: all cases of a patient together, or every slice by itself.

    A patient with a `preassigned_split` keeps it, with all slices. The other units are shuffled by `seed` in table
    order, and each goes to the subset that is furthest behind its share.

    Parameters
    ----------
    cases
        The table `cases`.
    fractions
        Of the units for train, val and test; None if nothing is trained, so that every case is test.
    unit
        patient or slice.

    Returns
    -------
    DataFrame
        The columns `case patient split` in table order, and `z_index` if slices are split.

    Raises
    ------
    UserError
        If a subset would be empty.
    """
    usable = cases[cases["status"] == "ok"]
    left_out = len(cases) - len(usable)
    if fractions is None:
        return usable[["case", "patient"]].assign(split="test")
    units, columns = usable["patient"], ["case", "patient"]
    prior: dict[Any, str] = _preassigned_subsets(usable)
    if unit == "slice":
        usable = usable.loc[usable.index.repeat(usable["n_slices"])].reset_index(drop=True)
        usable = usable.assign(z_index=usable.groupby("case").cumcount())
        units = pd.Series(list(zip(usable["case"], usable["z_index"], strict=True)), dtype=object)
        prior = {
            name: prior[patient] for name, patient in zip(units, usable["patient"], strict=True) if patient in prior
        }
        columns = ["case", "patient", "z_index"]
    names = list(dict.fromkeys(units))
    if len(names) < len(SUBSETS):
        raise UserError(
            f"The segmentation cohort has {len(names)} usable {unit}s ({left_out} of {len(cases)} "
            f"rows were left out, its cases.tsv says why). Training needs at least three, one each for train, val and "
            f"test: add {unit}s to its table, name a trained model (segmentation.model), or set segmentation.method: "
            "classical; neither needs any."
        )
    subset_of = _assign(names, prior, fractions, seed)
    empty = [subset for subset in SUBSETS if subset not in subset_of.values()]
    if empty:
        raise UserError(
            f"The split column of the segmentation cohort's table leaves {' and '.join(empty)} without a usable "
            f"{unit}: give one that split, or leave some patients' split empty."
        )
    return usable[columns].assign(split=[subset_of[name] for name in units])


def _assign(units: list[Hashable], prior: dict[Any, str], fractions: list[float], seed: int) -> dict[Hashable, str]:
    """Map every unit to its prior subset, or to the subset that is furthest behind its share when its turn comes."""
    subset_of = dict(prior)
    missing: dict[str, int] = dict(zip(SUBSETS, subset_sizes(len(units), fractions), strict=True))
    for subset in subset_of.values():
        missing[subset] -= 1
    free = [unit for unit in units if unit not in subset_of]
    for index in np.random.default_rng(seed).permutation(len(free)):
        subset = max(missing, key=lambda name: missing[name])
        subset_of[free[index]] = subset
        missing[subset] -= 1
    return subset_of
