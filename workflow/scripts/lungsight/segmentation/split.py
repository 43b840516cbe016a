"""Train, validation and test for the lung segmentation, by patient or by slice."""

from collections.abc import Hashable

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.subsets import SUBSETS, subset_sizes

UNITS = ("patient", "slice")


def _given_sides(cases: pd.DataFrame) -> dict[str, str]:
    """Patient → side, of the patients for whom the table's split column says one."""
    given = cases[cases["preassigned_split"] != ""]
    for _, rows in given.groupby("patient", sort=False):
        if rows["preassigned_split"].nunique() > 1:
            where = ", ".join(
                f"row {row} {side}" for row, side in zip(rows["row"], rows["preassigned_split"], strict=True)
            )
            raise UserError(
                f"The segmentation cohort's table puts one patient on two sides: {where}. Choose one split."
            )
    return dict(zip(given["patient"], given["preassigned_split"], strict=True))


def with_preassigned_subsets(cases: pd.DataFrame, sides: dict[str, str]) -> pd.DataFrame:
    """Give cases the side that their patient has in another cohort. sides: table row, as text → train, val or test."""
    elsewhere = cases["row"].astype(str).map(sides)
    return cases.assign(preassigned_split=elsewhere.fillna(cases["preassigned_split"]))


def split_cases(cases: pd.DataFrame, fractions: list[float] | None, seed: int, unit: str = "patient") -> pd.DataFrame:
    """Put every usable case on a side, all cases of a patient on the same one; or every slice by itself.

    cases: rows of a cases table. fractions: of the units for train, val, test; None where nothing is trained, so that
    every case is test. unit: patient or slice. A patient with a `preassigned_split` keeps it, with all slices; the other
    units are shuffled by `seed` in table order and go where a side is furthest from its share.

    Returns case, patient, split, in table order, and z_index where slices are split. Raises UserError where a side
    would be empty.
    """
    usable = cases[cases["status"] == "ok"]
    left_out = len(cases) - len(usable)
    if fractions is None:
        return usable[["case", "patient"]].assign(split="test")
    given, columns = _given_sides(usable), ["case", "patient"]
    units = usable["patient"]
    if unit == "slice":
        usable = usable.loc[usable.index.repeat(usable["n_slices"])].reset_index(drop=True)
        usable = usable.assign(z_index=usable.groupby("case").cumcount())
        units = pd.Series(zip(usable["case"], usable["z_index"], strict=True), dtype=object)
        given = {
            name: given[patient] for name, patient in zip(units, usable["patient"], strict=True) if patient in given
        }
        columns = ["case", "patient", "z_index"]
    names = list(dict.fromkeys(units))
    if len(names) < len(SUBSETS):
        raise UserError(
            f"The segmentation cohort has {len(names)} usable {unit}s ({left_out} of {len(cases)} "
            f"rows were left out, its cases.tsv says why). Training needs three at least, one each for train, val and "
            f"test: add {unit}s to its table, name a trained model (segmentation.model), or set segmentation.method: "
            "classical; neither needs any."
        )
    sides = _assigned(names, given, fractions, seed)
    empty = [side for side in SUBSETS if side not in sides.values()]
    if empty:
        raise UserError(
            f"The split column of the segmentation cohort's table leaves {' and '.join(empty)} without a usable "
            f"{unit}: give one that split, or leave some patients' split empty."
        )
    return usable[columns].assign(split=[sides[name] for name in units])


def _assigned(units: list[Hashable], given: dict[Hashable, str], fractions: list[float], seed: int) -> dict:
    """Unit → side: the given one, else by chance where the side is furthest from its share."""
    sides = dict(given)
    wanted = dict(zip(SUBSETS, subset_sizes(len(units), fractions), strict=True))
    for side in sides.values():
        wanted[side] -= 1
    free = [unit for unit in units if unit not in sides]
    for index in np.random.default_rng(seed).permutation(len(free)):
        side = max(wanted, key=lambda name: wanted[name])
        sides[free[index]] = side
        wanted[side] -= 1
    return sides
