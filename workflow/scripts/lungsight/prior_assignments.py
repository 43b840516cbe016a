"""Subsets that patients already have: from an earlier run, or from the split of the segmentation cohort.

An earlier run has pseudonyms under another key. Its patients are therefore found by their names, in the private tables
of both runs. Names stay in memory: what leaves this module are pseudonyms of the present run.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from lungsight.errors import UserError
from lungsight.patient_ids import ADVICE, NORMALISE, normalised
from lungsight.raw_table import read_raw_table
from lungsight.tables import read_table

CASE_DIGITS = 16

# A patient as a private table names it: ("patient", cohort or "", name), or ("path", cohort, path) without a name.
Identity = tuple[str, str, str]


@dataclass(frozen=True)
class PriorAssignments:
    """Subsets that must be kept.

    Attributes
    ----------
    origin
        What assigned them, for messages.
    subsets
        Pseudonym of a patient → train, val or test.
    """

    origin: str
    subsets: Mapping[str, str]


def apply_assignments(slices: pd.DataFrame, prior: PriorAssignments) -> pd.DataFrame:
    """Write prior assignments into the column `preassigned`.

    Parameters
    ----------
    slices
        The columns `cohort patient row preassigned`.

    Raises
    ------
    UserError
        If the user's table assigns a patient to another subset.
    """
    subsets = slices["patient"].map(prior.subsets).fillna("")
    conflicts = slices[(slices["preassigned"] != "") & (subsets != "") & (slices["preassigned"] != subsets)]
    if len(conflicts):
        first = conflicts.iloc[0]
        raise UserError(
            f"cohort {first['cohort']}, table row {first['row']}: this patient would be in {first['preassigned']}, but"
            f" {prior.origin} has the same patient in {subsets[conflicts.index[0]]}. A patient is in one subset"
            " everywhere: write the same split in both tables, or leave one of the rows out."
        )
    return slices.assign(preassigned=slices["preassigned"].where(subsets == "", subsets))


def segmentation_assignments(split: pd.DataFrame) -> PriorAssignments:
    """Return the subsets of the segmentation cohort's patients. split: the table `segmentation_split`."""
    return PriorAssignments("the segmentation cohort", dict(zip(split["patient"], split["split"], strict=True)))


def _read_private(private: Path) -> pd.DataFrame:
    """Read a private table, which may have passed through a spreadsheet."""
    name, columns = f"{private.name} of the run's private folder", ["case", "row", "patient", "path"]
    raw = read_raw_table(private, f"splits.previous: {name}")
    if any(column not in raw.header for column in columns) or any(map(raw.misfit, raw.records)):
        raise UserError(f"splits.previous: {name} is damaged: its columns are to be {', '.join(columns)}.")
    return pd.DataFrame([raw.by_column(record) for record in raw.records], columns=columns, dtype=str)


def identities_in(private: Path, cohort: str, shared_ids: bool, rule: str = "") -> dict[str, Identity]:
    """Map each case of a cohort's private table to the identity of its patient.

    Parameters
    ----------
    shared_ids
        Whether one name means one patient in all cohorts.
    rule
        How patient ids are read: exact, normalise or "".

    Raises
    ------
    UserError
        If the table is absent.
    """
    if not private.is_file():
        raise UserError(
            f"splits.previous: {private.name} of the run's private folder does not exist. This table alone can show"
            " that patients of two runs are the same."
        )
    table = _read_private(private)
    scope = "" if shared_ids else cohort
    return {
        case: ("patient", scope, normalised(patient) if rule == NORMALISE else patient)
        if patient
        else ("path", cohort, path)
        for case, patient, path in zip(table["case"], table["patient"], table["path"], strict=True)
    }


def splits_of_run(run: Path) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the splits of a finished run: the name of each cohort, for messages, and its `case split`.

    A segmentation split that is all test is left out: no lung network was trained, so it binds nobody.
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


def subsets_by_identity(run: Path, shared_ids: bool, patient_ids: Mapping[str, str]) -> dict[Identity, dict[str, str]]:
    """Map each patient of a finished run to its subsets, and each subset to the cohort that had it there."""
    identities: dict[str, Identity] = {}
    for table in sorted(Path(f"{run}.private").glob("*.tsv")):
        identities |= identities_in(table, table.stem, shared_ids, _rule_of(table.stem, shared_ids, patient_ids))
    subsets: dict[Identity, dict[str, str]] = {}
    for cohort, split in splits_of_run(run):
        for case, subset in zip(split["case"], split["split"], strict=True):
            if case not in identities:
                raise UserError(
                    f"splits.previous: a case of {cohort} is in no table of the earlier run's private folder. These"
                    " tables alone can show that patients of two runs are the same."
                )
            subsets.setdefault(identities[case], {})[subset] = cohort
    return subsets


def _rule_of(cohort: str, shared_ids: bool, patient_ids: Mapping[str, str]) -> str:
    """Return how ids of a cohort, also of one of the earlier run alone, are read: where they are shared, all alike."""
    return next(iter(patient_ids.values()), "") if shared_ids else patient_ids.get(cohort, "")


def _refuse_other_spellings(identities: Mapping[str, Identity], earlier: Collection[Identity], private: Path) -> None:
    """Raise UserError if the earlier run has a patient whose id is written otherwise here: it may be one person."""
    alike = {(scope, normalised(name)) for kind, scope, name in earlier if kind == "patient"}
    doubtful = {
        case
        for case, identity in identities.items()
        if identity[0] == "patient" and identity not in earlier and (identity[1], normalised(identity[2])) in alike
    }
    if doubtful:
        table = _read_private(private)
        rows = table.loc[table["case"].isin(doubtful), "row"].tolist()
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        raise UserError(
            f"splits.previous, cohort {private.stem}, table row {', '.join(rows[:5])}{more}: the earlier run has this"
            f" patient's id in another spelling (case, leading zeros, spaces …). {ADVICE}"
        )


def assignments_of_earlier_run(
    previous: Path,
    private: Mapping[str, Path],
    cases: Mapping[str, pd.DataFrame],
    shared_ids: bool,
    patient_ids: Mapping[str, str],
) -> PriorAssignments:
    """Return the subsets that patients of the present run had in an earlier run, its segmentation split included.

    Parameters
    ----------
    previous
        Results folder of the earlier run. <previous>.private lies beside it.
    private, cases
        Private table and table `cases` of each cohort of the present run.
    patient_ids
        How the ids of each cohort of the present run are read: exact, normalise or "".

    Raises
    ------
    UserError
        If the earlier run has a patient in two subsets, for instance because it was split by slice, or if it writes the
        id of a patient in another way and no rule says whether this is one person.
    """
    earlier, subsets = subsets_by_identity(previous, shared_ids, patient_ids), {}
    for cohort, table in cases.items():
        patients = dict(zip(table["case"], table["patient"], strict=True))
        rule = _rule_of(cohort, shared_ids, patient_ids)
        identities = identities_in(private[cohort], cohort, shared_ids, rule)
        if not rule:
            _refuse_other_spellings(identities, earlier.keys(), private[cohort])
        for case, identity in identities.items():
            previously = earlier.get(identity, {})
            if len(previously) > 1:
                where = " and ".join(dict.fromkeys(previously.values()))
                raise UserError(
                    f"splits.previous: the earlier run has a patient of {where} in two subsets, so it cannot be"
                    " followed by patient. Was it split by slice, or without shared_ids?"
                )
            if previously:
                (subsets[patients[case]],) = previously
    return PriorAssignments("the earlier run (splits.previous)", subsets)
