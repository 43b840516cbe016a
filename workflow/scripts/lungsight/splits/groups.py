"""Group the slices that stay in one subset together: of a patient, of patients who share images, or of a source."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lungsight.errors import SplitError


class Unit(NamedTuple):
    """A unit of splitting.

    columns: slices that agree in one of these columns stay together. noun, rule: of the message about a group that is
    in two subsets.
    """

    columns: tuple[str, ...]
    noun: str
    rule: str


UNITS = {
    "patient": Unit(("patient",), "the patient", "all slices of a patient must be in one subset"),
    "patient+duplicates": Unit(
        ("patient", "duplicates"), "the group of patients who share images", "patients who share images stay together"
    ),
    "source": Unit(("patient", "place"), "the source", "all patients of a source must be in one subset"),
    "slice": Unit((), "the slice", ""),
}


def groups_of(slices: pd.DataFrame, unit: str) -> pd.Series:
    """Find the groups of slices that stay together, and number them.

    Two slices are in one group if a chain of equal fields leads from one to the other. The groups are the connected
    components of the graph of slices and fields.

    Parameters
    ----------
    slices
        The columns of the unit. An empty field links nothing.
    unit
        A key of `UNITS`.

    Returns
    -------
    Series of int
        The group of every slice, on the index of `slices`: 0, 1, … in order of first appearance.
    """
    columns = UNITS[unit].columns
    if not columns:
        return pd.Series(np.arange(len(slices)), index=slices.index)
    rows, fields, n = [], [], len(slices)
    for column in columns:
        present = np.flatnonzero(slices[column] != "")
        numbers, values = pd.factorize(slices[column].to_numpy()[present])
        rows.append(present)
        fields.append(numbers + n)
        n += len(values)
    edges = np.concatenate(rows), np.concatenate(fields)
    graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    return pd.Series(pd.factorize(component[: len(slices)])[0], index=slices.index)


def with_duplicates(slices: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Add the column `duplicates`: the group of duplicate images that a slice belongs to, or "".

    Slices that QC left out are not in `slices`, so they link no patients.

    Parameters
    ----------
    duplicates
        The table of that name, of all labelled cohorts.
    """
    return slices.assign(duplicates=slices["slice"].map(duplicates.set_index("slice")["group"]).fillna(""))


def _name_rows(slices: pd.DataFrame) -> str:
    """Name the table rows of slices with `cohort` and `row`: "rows 3 and 9 of cohort hospital"."""
    parts = []
    for cohort, rows in slices.groupby("cohort", sort=False)["row"]:
        numbers = sorted(set(rows))
        listed = " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
        parts.append(f"{'rows' if len(numbers) > 1 else 'row'} {listed} of cohort {cohort}")
    return " and ".join(parts)


def check_one_subset(slices: pd.DataFrame, groups: pd.Series, column: str, unit: str) -> None:
    """Raise SplitError if slices of one group are in two subsets.

    Parameters
    ----------
    slices
        The columns `cohort row` and the one that names the subset. An empty field counts as none.
    groups
        As `groups_of` returns them.
    """
    assigned = slices.assign(group=groups)[slices[column] != ""]
    subsets = assigned.groupby("group", sort=False)[column].unique()
    divided = subsets[subsets.map(len) > 1]
    if len(divided):
        first = assigned[assigned["group"] == divided.index[0]].drop_duplicates(["cohort", "row", column])
        more = f" ({len(divided) - 1} more are divided as well.)" if len(divided) > 1 else ""
        raise SplitError(
            f"{UNITS[unit].noun.capitalize()} of table {_name_rows(first)} is in"
            f" {' and '.join(sorted(divided.iloc[0]))}. Under splits.unit: {unit} {UNITS[unit].rule}: give these rows"
            f" one split, or leave it empty. Where official lists divide {UNITS[unit].noun}, splits.unit: slice keeps"
            f" them as they are, and report/leakage.tsv counts it.{more}"
        )
