"""Read a data set's own table of files and patients, be it CSV or a spreadsheet. Standard library only."""

import re
from collections.abc import Sequence
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.layouts.spreadsheet import read_first_sheet
from lungsight.patient_ids import is_missing
from lungsight.raw_table import RawTable, read_raw_table


def read_metadata(path: Path) -> RawTable:
    """Read a table of metadata: the first sheet of an .xlsx, else a table of text.

    Raises
    ------
    UserError
        If it cannot be read as a whole, or is empty.
    """
    if path.suffix.lower() != ".xlsx":
        return read_raw_table(path)
    rows = [row for row in read_first_sheet(path) if any(row)]
    if not rows:
        raise UserError(f"{path.name} is empty.")
    return RawTable([field.lower() for field in rows[0]], rows[1:])


def column_of(table: RawTable, names: Sequence[str], called: str) -> str:
    """Find the column that has one of these names. Raises UserError if there is none."""
    found = [name for name in names if name in table.header]
    if not found:
        header = ", ".join(filter(None, table.header))
        raise UserError(f"{called}: the column {' or '.join(names)} is missing; it has {header}.")
    return found[0]


def patients_of_files(
    table: RawTable, called: str, file_columns: Sequence[str] = ("file name",), ending: re.Pattern[str] | None = None
) -> dict[str, str]:
    """Read file name → patient from a table of metadata. Rows without a file are passed over.

    Parameters
    ----------
    table : RawTable
    called : str
        What messages call it.
    file_columns : sequence of str
        Names that the column of files may have. That of patients is `patient id`.
    ending : Pattern, optional
        What to cut from the end of a patient's id.

    Raises
    ------
    UserError
        If a column is missing, a file belongs to two patients, or no file is named.
    """
    file_column = column_of(table, file_columns, called)
    patient_column = column_of(table, ("patient id",), called)
    patients: dict[str, str] = {}
    wrong = []
    for number, record in enumerate(table.records, start=1):
        fields = table.by_column(record)
        file, patient = fields[file_column], fields[patient_column]
        if not file:
            continue
        patient = "" if is_missing(patient) else ending.sub("", patient) if ending else patient
        if patients.setdefault(file, patient) != patient:
            wrong.append(f"{called}, row {number}: {file} belongs to two patients.")
    if not patients and not wrong:
        wrong.append(f"{called} names no file.")
    if wrong:
        raise UserError("\n".join(wrong))
    return patients
