"""Shards and the user's table → the cohort's cases and slices, and the private table that leads back to people."""

import re
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from lungsight.errors import UserError
from lungsight.files import atomic_path
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.privacy import make_private_folder, pseudonym


def identities(rows: Sequence[TableRow], cohort: str, key: bytes, shared_ids: bool) -> pd.DataFrame:
    """What the user's table says of each case: row case patient label source preassigned_split, pseudonyms for names.

    shared_ids: the same patient name in two cohorts is the same person. A row without a patient (patients: unknown)
    counts as a patient of its own.
    """
    scope = "" if shared_ids else cohort
    known = []
    for row in rows:
        case = case_of(key, cohort, row.path)
        patient = pseudonym(key, "patient", scope, row.patient) if row.patient else case
        given = {"label": row.label, "source": row.source or cohort, "preassigned_split": row.split}
        known.append({"row": row.row, "case": case, "patient": patient, **given})
    return pd.DataFrame(known)


def join_cases(known: pd.DataFrame, shards: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Add to every row of the user's table what its shard found.

    known: as from `identities`; shards: shard name → its `converted_cases`. Returns a `cases` table in the order of
    `known`; `shard` is "" unless the case is ok. Raises UserError if a case is in no shard.
    """
    found = pd.concat([table.assign(shard=name) for name, table in shards.items()], ignore_index=True)
    absent = known.loc[~known["case"].isin(found["case"]), "row"]
    if len(absent):
        raise UserError(f"rows {', '.join(map(str, absent[:10]))} of the table are in no shard; run the target again.")
    cases = known.merge(found, on="case", how="left", validate="one_to_one")
    cases["shard"] = cases["shard"].where(cases["status"] == "ok", "")
    return cases


def settle_duplicates(cases: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Deal with exact duplicates: the same pixels in two cases of the cohort.

    cases: a `cases` table; slices: with `case`, `sha256` and `blank`; equal blank slices are no duplicates. Under two
    labels both cases are rejected; under one label each says in its reason which row has the same picture. Returns a
    changed copy of `cases`.
    """
    cases = cases.copy()
    pictures = slices.loc[slices["blank"] == 0, ["case", "sha256"]].drop_duplicates()
    pictures = pictures[pictures.duplicated("sha256", keep=False)].merge(cases[["case", "row", "label"]], on="case")
    pairs = pictures.merge(pictures, on="sha256", suffixes=("", "_other"))
    pairs = pairs[pairs["case"] != pairs["case_other"]].drop_duplicates(["case", "case_other"])
    for case, near_duplicates in pairs.sort_values("row_other").groupby("case"):
        at = cases.index[cases["case"] == case][0]
        against = near_duplicates.loc[near_duplicates["label"] != near_duplicates["label_other"], "row_other"]
        if len(against):
            reason = f"the same image as row {_listed(against)} under another label"
            cases.loc[at, ["status", "reason", "shard", "n_slices"]] = ["rejected", reason, "", 0]
        else:
            note = f"the same image as row {_listed(near_duplicates['row_other'])}"
            cases.loc[at, "reason"] = "; ".join(filter(None, [cases.loc[at, "reason"], note]))
    return cases


def _listed(rows: pd.Series) -> str:
    shown = ", ".join(map(str, rows[:5]))
    return f"{shown} and {len(rows) - 5} more" if len(rows) > 5 else shown


def join_slices(cases: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """The slices of the cases that are ok, in table order, feet first, with their patient, label and source."""
    kept = cases.loc[cases["status"] == "ok", ["row", "case", "patient", "label", "source"]]
    joined = slices.merge(kept, on="case", how="inner").sort_values(["row", "z_index"], kind="stable")
    columns = ["slice", "case", "patient", "label", "source", "z_index", "png", "sha256"]
    return joined[columns].reset_index(drop=True)


def write_private_table(path: Path, known: pd.DataFrame, rows: Sequence[TableRow]) -> None:
    """Write the one table that leads from pseudonyms back: case row patient path, readable by its owner only."""
    table = known[["case", "row"]].assign(patient=[row.patient for row in rows], path=[row.path for row in rows])
    make_private_folder(path.parent)
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o600)
        table.to_csv(temporary, sep="\t", index=False, encoding="utf-8", lineterminator="\n")


def remove_old_shards(folder: Path, shards: Collection[str]) -> int:
    """Remove from a cohort's folder what is left of shards that no longer have a case; returns how many folders went.

    Snakemake forgets them when a table shrinks or `shards` changes; images of people who are no longer in the table
    must not stay.
    """
    old = [
        place
        for kind in ("shards", "nifti", "png", "truth", "lesions")
        for place in (folder / kind).glob("*")
        if re.fullmatch(r"\d{3}", place.name) and place.name not in shards
    ]
    for place in old:
        shutil.rmtree(place)
    return len(old)
