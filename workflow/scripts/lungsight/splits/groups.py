"""Which slices stay on one side of a split together: those of a patient, of patients who share images, of a source."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lungsight.errors import UserError


class Unit(NamedTuple):
    """A unit of splitting. columns: slices that agree in one of them stay together. remedy: of a torn group."""

    columns: tuple[str, ...]
    what: str
    remedy: str


UNITS = {
    "patient": Unit(("patient",), "the patient", "all slices of a patient must be on one side"),
    "patient+duplicates": Unit(
        ("patient", "duplicates"), "the group of patients who share images", "patients who share images stay together"
    ),
    "source": Unit(("patient", "place"), "the source", "all patients of a source must be on one side"),
    "slice": Unit((), "the slice", ""),
}


def groups_of(slices: pd.DataFrame, unit: str) -> pd.Series:
    """The group of every slice, numbered 0, 1, … in order of first appearance; int on the index of `slices`.

    slices: the columns of the unit; an empty field links nothing. Two slices are in one group when a chain of equal
    fields leads from one to the other: the connected components of the graph of slices and fields.
    """
    columns = UNITS[unit].columns
    if not columns:
        return pd.Series(np.arange(len(slices)), index=slices.index)
    rows, fields, n = [], [], len(slices)
    for column in columns:
        present = np.flatnonzero(slices[column] != "")
        numbers, known = pd.factorize(slices[column].to_numpy()[present])
        rows.append(present)
        fields.append(numbers + n)
        n += len(known)
    edges = np.concatenate(rows), np.concatenate(fields)
    graph = coo_array((np.ones(len(edges[0]), dtype=bool), edges), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    return pd.Series(pd.factorize(component[: len(slices)])[0], index=slices.index)


def with_duplicates(slices: pd.DataFrame, duplicates: pd.DataFrame) -> pd.DataFrame:
    """Add `duplicates`, the group of twins that a slice belongs to, or "".

    duplicates: the table of that name, of all labelled cohorts. A twin that QC left out links no patients.
    """
    return slices.assign(duplicates=slices["slice"].map(duplicates.set_index("slice")["group"]).fillna(""))


def _rows_in_words(slices: pd.DataFrame) -> str:
    """ "rows 3 and 9 of cohort hospital", of slices with `cohort` and `row`."""
    parts = []
    for cohort, rows in slices.groupby("cohort", sort=False)["row"]:
        numbers = sorted(set(rows))
        listed = " and ".join(filter(None, [", ".join(map(str, numbers[:-1])), str(numbers[-1])]))
        parts.append(f"{'rows' if len(numbers) > 1 else 'row'} {listed} of cohort {cohort}")
    return " and ".join(parts)


def check_one_subset(slices: pd.DataFrame, groups: pd.Series, column: str, unit: str) -> None:
    """Raise UserError when slices of one group have two sides.

    slices: `cohort row` and the side in `column`; an empty side counts for none. groups: as from `groups_of`.
    """
    sided = slices.assign(group=groups)[slices[column] != ""]
    sides = sided.groupby("group", sort=False)[column].unique()
    torn = sides[sides.map(len) > 1]
    if len(torn):
        own = sided[sided["group"] == torn.index[0]].drop_duplicates(["cohort", "row", column])
        more = f" ({len(torn) - 1} more are torn as well.)" if len(torn) > 1 else ""
        raise UserError(
            f"{UNITS[unit].what.capitalize()} of table {_rows_in_words(own)} is in"
            f" {' and '.join(sorted(torn.iloc[0]))}. Under splits.unit: {unit} {UNITS[unit].remedy}: give these rows"
            f" one split, or leave it empty.{more}"
        )
