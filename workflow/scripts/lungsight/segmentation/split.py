"""Train, validation and test for the lung segmentation, by patient."""

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.sides import SIDES, sizes_of_sides


def _given_sides(cases: pd.DataFrame) -> dict[str, str]:
    """Patient → side, of the patients for whom the table's split column says one."""
    given = cases[cases["given_split"] != ""]
    for _, rows in given.groupby("patient", sort=False):
        if rows["given_split"].nunique() > 1:
            where = ", ".join(f"row {row} {side}" for row, side in zip(rows["row"], rows["given_split"], strict=True))
            raise UserError(
                f"The segmentation cohort's table puts one patient on two sides: {where}. Choose one split."
            )
    return dict(zip(given["patient"], given["given_split"], strict=True))


def with_given_sides(cases: pd.DataFrame, sides: dict[str, str]) -> pd.DataFrame:
    """Give cases the side that their patient has in another cohort. sides: table row, as text → train, val or test."""
    elsewhere = cases["row"].astype(str).map(sides)
    return cases.assign(given_split=elsewhere.fillna(cases["given_split"]))


def split_cases(cases: pd.DataFrame, fractions: list[float] | None, seed: int) -> pd.DataFrame:
    """Put every usable case on a side, all cases of a patient on the same one.

    cases: rows of a cases table. fractions: of patients for train, val, test; None where nothing is trained, so that
    every case is test. Patients with a `given_split` keep it; the others are shuffled by `seed` in table order and go
    where a side is furthest from its share.

    Returns case, patient, split, in table order. Raises UserError where a side would be empty.
    """
    usable = cases[cases["status"] == "ok"]
    if fractions is None:
        return usable[["case", "patient"]].assign(split="test")
    patients = list(dict.fromkeys(usable["patient"]))
    if len(patients) < len(SIDES):
        raise UserError(
            f"The segmentation cohort has {len(patients)} usable patients ({len(cases) - len(usable)} of {len(cases)} "
            f"rows were left out, its cases.tsv says why). Training needs three at least, one each for train, val and "
            f"test: add patients to its table, name a trained model (segmentation.model), or set segmentation.method: "
            "classical; neither needs any."
        )
    sides = _given_sides(usable)
    wanted = dict(zip(SIDES, sizes_of_sides(len(patients), fractions), strict=True))
    for side in sides.values():
        wanted[side] -= 1
    free = [patient for patient in patients if patient not in sides]
    for index in np.random.default_rng(seed).permutation(len(free)):
        side = max(wanted, key=lambda name: wanted[name])
        sides[free[index]] = side
        wanted[side] -= 1
    empty = [side for side in SIDES if side not in sides.values()]
    if empty:
        raise UserError(
            f"The split column of the segmentation cohort's table leaves {' and '.join(empty)} without a usable "
            f"patient: give one that split, or leave some patients' split empty."
        )
    return usable[["case", "patient"]].assign(split=usable["patient"].map(sides))
