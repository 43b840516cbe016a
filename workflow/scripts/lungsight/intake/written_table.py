"""Cohort tables that lungsight writes itself, while the workflow is parsed: of a known layout, or of new scans.

Standard library only.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from lungsight.errors import UserError
from lungsight.files import write_text
from lungsight.privacy import make_private_folder


def write_cohort_table(table: Path, columns: Sequence[str], rows: Iterable[Sequence[str]], root: Path) -> None:
    """Write a cohort table into the private folder, since it names patients. One that would not change stays as it is.

    `read_raw_table` gives every field back as it is. A row with a # at the beginning of a field is in quotes, so that
    it is no comment.

    Parameters
    ----------
    table : Path
        Where to write it.
    columns : sequence of str
    rows : iterable of sequences of str
        In the order of the columns.
    root : Path
        The folder whose files the rows name, for the message.

    Raises
    ------
    UserError
        If names of files or folders are such that a table would not give them back. They are counted, not shown.
    """
    rows = list(rows)
    if unwritable := sum(not all(map(_is_given_back, row)) for row in rows):
        raise UserError(
            f"{unwritable} of the {len(rows)} scans below {root} cannot be listed in a table: the name of the file or"
            " of a folder above it has a space at its beginning or end, holds a line break, or is not UTF-8. Rename"
            f" {'it' if unwritable == 1 else 'them'}."
        )
    text = io.StringIO()
    for row in (columns, *rows):
        quoting = csv.QUOTE_ALL if any(field.startswith("#") for field in row) else csv.QUOTE_MINIMAL
        csv.writer(text, delimiter="\t", lineterminator="\n", quoting=quoting).writerow(row)
    if not table.is_file() or table.read_bytes() != text.getvalue().encode():
        make_private_folder(table.parent)
        write_text(table, text.getvalue())


def _is_given_back(field: str) -> bool:
    """Tell whether the reader of tables gives a field back: it strips fields, splits at line breaks, reads UTF-8."""
    try:
        field.encode()
    except UnicodeEncodeError:
        return False
    return field == field.strip() and not set(field) & set("\r\n\0")
