"""Make the cohort table of a public data set from the files as they are distributed.

A layout reads file names and the data set's own tables, no image. Standard library only: it runs while the workflow is
parsed. Each data set has a module of its own that defines `LAYOUT`; `LAYOUTS` lists them by the word of the config.
What they share: `base` (rows, words, classes), `folders`, `metadata` and `spreadsheet`.
"""

from dataclasses import fields, replace
from pathlib import Path

from lungsight.intake.layouts import (
    covid_ct_md,
    curated_covid_ct,
    mosmed_1110,
    nsclc_radiomics,
    sars_cov_2_ct,
    ucsd_covid_ct,
)
from lungsight.intake.layouts.base import NOTES, SKIPPED, Labels, Layout, LayoutRow
from lungsight.intake.written_table import write_cohort_table

__all__ = ["LAYOUTS", "NOTES", "SKIPPED", "Layout", "LayoutRow", "write_layout_table"]

LAYOUTS = {
    "curated-covid-ct": curated_covid_ct.LAYOUT,
    "nsclc-radiomics": nsclc_radiomics.LAYOUT,
    "sars-cov-2-ct": sars_cov_2_ct.LAYOUT,
    "ucsd-covid-ct": ucsd_covid_ct.LAYOUT,
    "covid-ct-md": covid_ct_md.LAYOUT,
    "mosmed-1110": mosmed_1110.LAYOUT,
}


def write_layout_table(
    table: Path, layout: str, root: Path, labels: Labels, official_split: bool = False, only_tested: bool = False
) -> None:
    """Write the cohort table of a data set.

    Parameters
    ----------
    table : Path
        Where to write it.
    layout : str
        A key of LAYOUTS.
    root : Path
        Folder of the data set.
    labels : dict
        Class name → the user's words.
    official_split : bool
        Fix the subsets by the data set's official lists.
    only_tested : bool
        Of an official split keep the test images alone.

    Raises
    ------
    UserError
        With every difference between the files and the layout.
    """
    columns = [field.name for field in fields(LayoutRow)]
    rows = LAYOUTS[layout].rows(root, labels)
    if official_split:
        rows = [_listed(row, only_tested) for row in _officially_split(layout, root, rows)]
    write_cohort_table(table, columns, ([getattr(row, column) for column in columns] for row in rows), root)


def _officially_split(layout: str, root: Path, rows: list[LayoutRow]) -> list[LayoutRow]:
    split = LAYOUTS[layout].with_official_split
    return split(root, rows) if split else rows


def _listed(row: LayoutRow, only_tested: bool) -> LayoutRow:
    """Skip a row that is in no official list, or in none of those that are wanted. A skipped row is in no subset."""
    if row.skip:
        return replace(row, split="")
    if row.split == "test" or (row.split and not only_tested):
        return row
    return replace(row, split="", skip="not_in_test_list" if row.split else "no_list")
