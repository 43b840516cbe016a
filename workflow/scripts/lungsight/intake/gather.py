"""Join the shards of a cohort with the user's table.

The result is the cohort's `cases.tsv` and `slices.tsv`, and the private table that leads from pseudonyms to people.
"""

import re
import shutil
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.errors import UserError
from lungsight.files import atomic_path
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.privacy import make_private_folder, pseudonym


def pseudonymise_rows(rows: Sequence[TableRow], cohort: str, key: bytes, shared_ids: bool) -> pd.DataFrame:
    """Replace the names of a cohort table by pseudonyms.

    Parameters
    ----------
    rows : sequence of TableRow
    cohort : str
    key : bytes
    shared_ids : bool
        One name of a patient in two cohorts means one person.

    Returns
    -------
    DataFrame
        row, case, patient, label, source, preassigned_split; one row for every row of the table. A row without a
        patient (`patients: unknown`) counts as a patient of its own.
    """
    scope = "" if shared_ids else cohort
    pseudonymised = []
    for row in rows:
        case = case_of(key, cohort, row.path)
        pseudonymised.append(
            {
                **{"row": row.row, "case": case},
                "patient": pseudonym(key, "patient", scope, row.person) if row.patient else case,
                **{"label": row.label, "source": row.source or cohort, "preassigned_split": row.split},
            }
        )
    return pd.DataFrame(pseudonymised)


def join_cases(table: pd.DataFrame, shards: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Add to every row of the user's table what became of it in its shard.

    Parameters
    ----------
    table : DataFrame
        As from `pseudonymise_rows`.
    shards : dict
        Name of a shard → its table `converted_cases`.

    Returns
    -------
    DataFrame
        A table `cases` in the order of `table`. `shard` is "" unless the case is ok.

    Raises
    ------
    UserError
        If a case is in no shard.
    """
    converted = pd.concat([cases.assign(shard=name) for name, cases in shards.items()], ignore_index=True)
    absent = table.loc[~table["case"].isin(converted["case"]), "row"]
    if len(absent):
        raise UserError(f"rows {', '.join(map(str, absent[:10]))} of the table are in no shard; run the target again.")
    cases = table.merge(converted, on="case", how="left", validate="one_to_one")
    cases["shard"] = cases["shard"].where(cases["status"] == "ok", "")
    return cases


def resolve_duplicates(cases: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Reject or note cases of one cohort that share a picture pixel for pixel.

    Under two labels all cases with the picture are rejected. Under one label they stay, and the reason of each names
    the rows with the same picture.

    Parameters
    ----------
    cases : DataFrame
        A table `cases`.
    slices : DataFrame
        With case, sha256 and blank. Blank slices are equal without being duplicates.

    Returns
    -------
    DataFrame
        A changed copy of `cases`.
    """
    cases = cases.copy()
    for case, same in _cases_with_the_same_picture(cases, slices):
        at = cases.index[cases["case"] == case][0]
        contradicting = same.loc[same["label"] != same["label_other"], "row_other"]
        if len(contradicting):
            reason = f"the same image as row {_listed(contradicting)} under another label"
            cases.loc[at, ["status", "reason", "shard", "n_slices"]] = ["rejected", reason, "", 0]
        else:
            note = f"the same image as row {_listed(same['row_other'])}"
            cases.loc[at, "reason"] = "; ".join(filter(None, [str(cases.loc[at, "reason"]), note]))
    return cases


def _cases_with_the_same_picture(cases: pd.DataFrame, slices: pd.DataFrame) -> Iterable[tuple[Any, pd.DataFrame]]:
    """Group pairs of cases that share a picture by their first case: row and label of both (`…_other`)."""
    pictures = slices.loc[slices["blank"] == 0, ["case", "sha256"]].drop_duplicates()
    pictures = pictures[pictures.duplicated("sha256", keep=False)].merge(cases[["case", "row", "label"]], on="case")
    pairs = pictures.merge(pictures, on="sha256", suffixes=("", "_other"))
    pairs = pairs[pairs["case"] != pairs["case_other"]].drop_duplicates(["case", "case_other"])
    return pairs.sort_values("row_other").groupby("case")


def _listed(rows: pd.Series) -> str:
    shown = ", ".join(map(str, rows[:5]))
    return f"{shown} and {len(rows) - 5} more" if len(rows) > 5 else shown


def join_slices(cases: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """List the slices of the cases that are ok, in table order and from the feet up, as a table `slices`."""
    kept = cases.loc[cases["status"] == "ok", ["row", "case", "patient", "label", "source"]]
    joined = slices.merge(kept, on="case", how="inner").sort_values(["row", "z_index"], kind="stable")
    columns = ["slice", "case", "patient", "label", "source", "z_index", "png", "sha256"]
    return joined[columns].reset_index(drop=True)


def write_private_table(path: Path, pseudonymised: pd.DataFrame, rows: Sequence[TableRow]) -> None:
    """Write the one table that leads from pseudonyms to people: case row patient path. Only its owner can read it.

    Parameters
    ----------
    path : Path
    pseudonymised : DataFrame
        As from `pseudonymise_rows`.
    rows : sequence of TableRow
        The same rows.
    """
    table = pseudonymised[["case", "row"]].assign(
        patient=[row.patient for row in rows], path=[row.path for row in rows]
    )
    make_private_folder(path.parent)
    with atomic_path(path) as temporary:
        temporary.touch(mode=0o600)
        table.to_csv(temporary, sep="\t", index=False, encoding="utf-8", lineterminator="\n")


def remove_old_shards(folder: Path, shards: Collection[str]) -> int:
    """Remove the folders of shards that no longer have a case from a cohort's folder.

    Snakemake forgets them when a table shrinks or `shards` changes. Images of people who are no longer in the table
    must not stay.

    Returns
    -------
    int
        How many folders were removed.
    """
    old = [
        place
        for part in ("shards", "nifti", "png", "truth", "lesions", "lungs")
        for place in (folder / part).glob("*")
        if re.fullmatch(r"\d{3}", place.name) and place.name not in shards
    ]
    for place in old:
        shutil.rmtree(place)
    return len(old)
