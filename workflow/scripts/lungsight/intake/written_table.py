"""Cohort tables that lungsight writes itself, while the workflow is parsed: of a known layout, or of new scans.

Standard library only.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lungsight.files import write_text
from lungsight.privacy import make_private_folder


def write_cohort_table(table: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a cohort table into the private folder, since it names patients. One that would not change stays as it is.

    Parameters
    ----------
    table : Path
        Where to write it.
    columns : sequence of str
    rows : iterable of sequences of str
        In the order of the columns.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    if not table.is_file() or table.read_text(encoding="utf-8") != text.getvalue():
        make_private_folder(table.parent)
        write_text(table, text.getvalue())
