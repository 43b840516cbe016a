"""Count what intake took in and left out, by label: the table report/intake.tsv."""

import re
from collections.abc import Mapping

import pandas as pd

from lungsight.intake.aspects import WORDS, with_aspects


def counts_of_cohorts(cases: Mapping[str, pd.DataFrame], duplicates: pd.DataFrame) -> pd.DataFrame:
    """Make the table `intake` of all cohorts.

    Parameters
    ----------
    cases : mapping
        Cohort → its table `cases`.
    duplicates : DataFrame
        The table `duplicates` of all cohorts.
    """
    return pd.concat([counts(name, table, duplicates) for name, table in cases.items()])


def counts(cohort: str, cases: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Make the rows of the table `intake` for one cohort; see `counts_of_cohorts`."""
    cases = with_aspects(cases)
    taken, left_out = cases[cases["status"] == "ok"], cases[cases["status"] != "ok"]
    noted = _one_row_per_note(taken)
    values_by_aspect = [
        ("status", cases, cases["status"]),
        ("reason", left_out, left_out["reason"].map(normalise_reason)),
        ("note", noted, noted["note"].map(normalise_reason)),
        *((WORDS[name], taken, taken[name]) for name in WORDS),
    ]
    tables = [_count(aspect, part.assign(value=value)) for aspect, part, value in values_by_aspect if len(part)]
    tables.append(_duplicate_counts(taken, duplicates[duplicates["cohort"] == cohort]))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(cohort=cohort)[["cohort", "aspect", "value", "label", "cases", "patients", "slices"]]


def normalise_reason(reason: str) -> str:
    """Strip the numbers and details from a reason, so that similar reasons count as one.

    `5 slices, min_slices is 8` → `… slices, min_slices is …`.
    """
    words = re.sub(r"\s*\([^()]*\)", "", reason).split(":")[0]
    return re.sub(r"\d+(?:[.,]\d+)*", "…", words)


def _one_row_per_note(taken: pd.DataFrame) -> pd.DataFrame:
    """Repeat each case that is ok for every note in its reason; column `note`."""
    noted = taken[taken["reason"] != ""]
    outside_brackets = r"; (?![^(]*\))"
    return noted.assign(note=noted["reason"].str.split(outside_brackets, regex=True)).explode("note")


def _count(aspect: str, cases: pd.DataFrame) -> pd.DataFrame:
    grouped = cases.groupby(["value", "label"], sort=True)
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("n_slices", "sum"))
    return counted.reset_index().assign(aspect=aspect)


def _duplicate_counts(taken: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Count slices, cases and patients with duplicates in other patients, by kind."""
    duplicates = duplicates.assign(case=duplicates["slice"].str.split("-").str[0])
    duplicates = duplicates.merge(taken[["case", "label"]], on="case")
    grouped = duplicates.groupby(["kind", "label"])
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("slice", "size"))
    return counted.reset_index().rename(columns={"kind": "value"}).assign(aspect="duplicates")
