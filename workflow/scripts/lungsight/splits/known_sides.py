"""Sides that patients already have: from an earlier run, and from the split of the segmentation cohort.

An earlier run has pseudonyms under a key of its own, so its patients are found by their names, in the private tables of
both runs. Names stay in memory: what leaves this module are pseudonyms of the present run.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lungsight.errors import UserError
from lungsight.tables import read_table

CASE_DIGITS = 16


@dataclass(frozen=True)
class KnownSides:
    """sides: patient's pseudonym → train, val or test. origin: who says so, in words."""

    origin: str
    sides: Mapping[str, str]


def fill_in(slices: pd.DataFrame, known: KnownSides) -> pd.DataFrame:
    """Give slices of known patients their side, in `given`. Raises UserError where the table gives another one.

    slices: `cohort patient row given`.
    """
    sides = slices["patient"].map(known.sides).fillna("")
    against = slices[(slices["given"] != "") & (sides != "") & (slices["given"] != sides)]
    if len(against):
        first = against.iloc[0]
        raise UserError(
            f"cohort {first['cohort']}, table row {first['row']}: this patient would be in {first['given']}, but"
            f" {known.origin} has the same patient in {sides[against.index[0]]}. A patient is on one side everywhere:"
            " give both the same split in their tables, or leave one of them out."
        )
    return slices.assign(given=slices["given"].where(sides == "", sides))


def segmentation_sides(split: pd.DataFrame) -> KnownSides:
    """Sides of the segmentation cohort, where it shares patients. split: the table `segmentation_split`."""
    return KnownSides("the segmentation cohort", dict(zip(split["patient"], split["split"], strict=True)))


def read_private_table(path: Path) -> pd.DataFrame:
    """case row patient path, all text. Raises UserError where it is absent."""
    if not path.is_file():
        raise UserError(
            f"splits.previous: {path.name} of the earlier run's private folder does not exist. Patients of two runs can"
            " only be told to be the same by it."
        )
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)


def names_of(private: pd.DataFrame, cohort: str, shared_ids: bool) -> dict[str, Hashable]:
    """Case → whose it is: the patient's name in its scope; of a case without one, its path."""
    scope = "" if shared_ids else cohort
    return {
        row.case: ("patient", scope, row.patient) if row.patient else ("path", cohort, row.path)
        for row in private.itertuples()
    }


def earlier_sides(
    previous: Path, private: Mapping[str, Path], cases: Mapping[str, pd.DataFrame], shared_ids: bool
) -> KnownSides:
    """Sides of the present run's patients in an earlier run.

    previous: its results folder; <previous>.private lies beside it. private, cases: of the present run, by cohort.
    Raises UserError where the earlier run has a patient on two sides, as one that was split by slice.
    """
    sides: dict[Hashable, str] = {}
    for cohort in cases:
        tables = sorted((previous / "splits" / cohort).glob("*.tsv"))
        if not tables:
            continue
        names = names_of(read_private_table(Path(f"{previous}.private") / f"{cohort}.tsv"), cohort, shared_ids)
        split = pd.concat([read_table(path, schema="split") for path in tables])
        split = split.assign(case=split["slice"].str[:CASE_DIGITS]).drop_duplicates(["case", "split"])
        for case, side in zip(split["case"], split["split"], strict=True):
            if sides.setdefault(names[case], side) != side:
                raise UserError(
                    f"splits.previous: the earlier run has a patient of cohort {cohort} on two sides, so it cannot be"
                    " followed by patient. Was it split by slice?"
                )
    found = {}
    for cohort, table in cases.items():
        names = names_of(read_private_table(private[cohort]), cohort, shared_ids)
        patients = dict(zip(table["case"], table["patient"], strict=True))
        found |= {patients[case]: sides[name] for case, name in names.items() if name in sides}
    return KnownSides("the earlier run (splits.previous)", found)
