"""Count what intake took in and left out, by label: the table report/intake.tsv."""

import itertools
import re
from collections.abc import Mapping

import pandas as pd

from lungsight.intake.aspects import WORDS, with_aspects

MOST_VALUES = 20  # of an aspect that are listed one by one
_SIDES = (128, 256, 384, 512, 768, 1024, 2048)  # limits of the groups of image sizes, in pixels


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
        ("reason", left_out, in_few_values(left_out["reason"].map(normalise_reason))),
        ("note", noted, in_few_values(noted["note"].map(normalise_reason))),
        *(
            (WORDS[name], taken, sizes_grouped(taken) if name == "size" else in_few_values(taken[name]))
            for name in WORDS
        ),
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


def in_few_values(values: pd.Series) -> pd.Series:
    """Join the rarest of many values to one, `7 other values`; an empty one, not known, stays as it is."""
    by_frequency = values[values != ""].value_counts()
    if len(by_frequency) <= MOST_VALUES:
        return values
    kept = {"", *by_frequency.index[: MOST_VALUES - 1]}
    return values.where(values.isin(kept), f"{len(by_frequency) - MOST_VALUES + 1} other values")


def sizes_grouped(cases: pd.DataFrame) -> pd.Series:
    """Group the sizes of many images by their longer side, `longer side 256 to 383`, in order; few stay as they are.

    Parameters
    ----------
    cases : DataFrame
        As `with_aspects` returns it.
    """
    if cases["size"].nunique() <= MOST_VALUES:
        return cases["size"]
    names = [f"longer side {low} to {high - 1}" for low, high in itertools.pairwise(_SIDES)]
    names = [f"longer side below {_SIDES[0]}", *names, f"longer side {_SIDES[-1]} and more"]
    groups = pd.cut(cases[["rows", "columns"]].max(axis=1), [0, *_SIDES, float("inf")], right=False, labels=names)
    return groups.cat.add_categories("").fillna("")


def _one_row_per_note(taken: pd.DataFrame) -> pd.DataFrame:
    """Repeat each case that is ok for every note in its reason; column `note`."""
    noted = taken[taken["reason"] != ""]
    outside_brackets = r"; (?![^(]*\))"
    return noted.assign(note=noted["reason"].str.split(outside_brackets, regex=True)).explode("note")


def _count(aspect: str, cases: pd.DataFrame) -> pd.DataFrame:
    grouped = cases.groupby(["value", "label"], sort=True, observed=True)
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("n_slices", "sum"))
    counted = counted.reset_index()
    return counted.assign(aspect=aspect, value=counted["value"].astype(str))


def _duplicate_counts(taken: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Count slices, cases and patients with duplicates in other patients, by kind."""
    duplicates = duplicates.assign(case=duplicates["slice"].str.split("-").str[0])
    duplicates = duplicates.merge(taken[["case", "label"]], on="case")
    grouped = duplicates.groupby(["kind", "label"])
    counted = grouped.agg(cases=("case", "nunique"), patients=("patient", "nunique"), slices=("slice", "size"))
    return counted.reset_index().rename(columns={"kind": "value"}).assign(aspect="duplicates")
