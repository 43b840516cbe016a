"""Sides that patients already have: from an earlier run, and from the split of the segmentation cohort.

An earlier run has pseudonyms under a key of its own, so its patients are found by their names, in the private tables of
both runs. Names stay in memory: what leaves this module are pseudonyms of the present run.
"""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lungsight.errors import UserError
from lungsight.tables import read_table

CASE_DIGITS = 16


@dataclass(frozen=True)
class PriorAssignments:
    """sides: patient's pseudonym → train, val or test. origin: who says so, in words."""

    origin: str
    sides: Mapping[str, str]


def fill_in(slices: pd.DataFrame, known: PriorAssignments) -> pd.DataFrame:
    """Give slices of known patients their side, in `given`. Raises UserError where the table gives another one.

    slices: `cohort patient row given`.
    """
    sides = slices["patient"].map(known.sides).fillna("")
    against = slices[(slices["preassigned"] != "") & (sides != "") & (slices["preassigned"] != sides)]
    if len(against):
        first = against.iloc[0]
        raise UserError(
            f"cohort {first['cohort']}, table row {first['row']}: this patient would be in {first['preassigned']}, but"
            f" {known.origin} has the same patient in {sides[against.index[0]]}. A patient is on one side everywhere:"
            " give both the same split in their tables, or leave one of them out."
        )
    return slices.assign(preassigned=slices["preassigned"].where(sides == "", sides))


def segmentation_assignments(split: pd.DataFrame) -> PriorAssignments:
    """Sides of the segmentation cohort, where it shares patients. split: the table `segmentation_split`."""
    return PriorAssignments("the segmentation cohort", dict(zip(split["patient"], split["split"], strict=True)))


def names_in(private: Path, cohort: str, shared_ids: bool) -> dict[str, Hashable]:
    """Case → whose it is, of all in a cohort's private table: the patient's name in its scope; without one, the path.

    Raises UserError where the table is absent.
    """
    if not private.is_file():
        raise UserError(
            f"splits.previous: {private.name} of the run's private folder does not exist. Patients of two runs can only"
            " be told to be the same by it."
        )
    table = pd.read_csv(private, sep="\t", dtype=str, keep_default_na=False)
    scope = "" if shared_ids else cohort
    return {
        row.case: ("patient", scope, row.patient) if row.patient else ("path", cohort, row.path)
        for row in table.itertuples()
    }


def assigned_in(run: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """The splits of a finished run: what was split, in words, and its `case split`.

    Where no lung network was trained its split says test of every case, and binds nobody.
    """
    for folder in sorted({path.parent for path in run.glob("splits/*/*.tsv")}):
        split = pd.concat([read_table(path, schema="split") for path in sorted(folder.glob("*.tsv"))])
        split = split.assign(case=split["slice"].str[:CASE_DIGITS])
        yield f"cohort {folder.name}", split[["case", "split"]].drop_duplicates()
    contours = run / "segmentation" / "split.tsv"
    if contours.is_file():
        split = read_table(contours, schema="segmentation_split")
        if (split["split"] != "test").any():
            yield "the segmentation cohort", split[["case", "split"]]


def subsets_by_name(run: Path, shared_ids: bool) -> dict[Hashable, dict[str, str]]:
    """Whose side it was in a finished run: name, as `names_in` has it → side → what was split so, in words."""
    tables = sorted(Path(f"{run}.private").glob("*.tsv"))
    names = {case: name for table in tables for case, name in names_in(table, table.stem, shared_ids).items()}
    sides: dict[Hashable, dict[str, str]] = {}
    for what, split in assigned_in(run):
        for case, side in zip(split["case"], split["split"], strict=True):
            if case not in names:
                raise UserError(
                    f"splits.previous: a case of {what} is in no table of the earlier run's private folder. Patients of"
                    " two runs can only be told to be the same by these tables."
                )
            sides.setdefault(names[case], {})[side] = what
    return sides


def assignments_of_earlier_run(
    previous: Path, private: Mapping[str, Path], cases: Mapping[str, pd.DataFrame], shared_ids: bool
) -> PriorAssignments:
    """Sides of the present run's patients in an earlier run, those of its lung segmentation's split among them.

    previous: its results folder; <previous>.private lies beside it. private, cases: of the present run, by cohort.
    Raises UserError where the earlier run has a patient on two sides, as one that was split by slice.
    """
    earlier, found = subsets_by_name(previous, shared_ids), {}
    for cohort, table in cases.items():
        patients = dict(zip(table["case"], table["patient"], strict=True))
        for case, name in names_in(private[cohort], cohort, shared_ids).items():
            sides = earlier.get(name, {})
            if len(sides) > 1:
                where = " and ".join(dict.fromkeys(sides.values()))
                raise UserError(
                    f"splits.previous: the earlier run has a patient of {where} on two sides, so it cannot be followed"
                    " by patient. Was it split by slice, or without shared_ids?"
                )
            if sides:
                (found[patients[case]],) = sides
    return PriorAssignments("the earlier run (splits.previous)", found)
