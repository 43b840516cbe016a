"""Find the columns of a cohort's table that hold age and sex, by the names that people give them.

Case, spaces and signs do not count: `Age (years)` is age, `Patient_Gender` is sex. Where several columns have one
meaning, they must agree; a field that one leaves empty is taken from another.

Standard library only: it runs while the workflow is parsed.
"""

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from lungsight.intake.people import age_band, sex_of
from lungsight.patient_ids import is_missing
from lungsight.raw_table import RawTable, read_header

# Meaning → the letters of its names.
NAMES = {
    "age": ("age", "ageyears", "ageyrs", "ageinyears", "patientage", "patientageyears", "patientsage"),
    "sex": ("sex", "gender", "patientsex", "patientgender", "patientssex", "patientsgender"),
}
_MEANING = {name: meaning for meaning, names in NAMES.items() for name in names}


def meaning_of(column: str) -> str:
    """Say what a column holds: age, sex, or "" for anything else."""
    return _MEANING.get(re.sub(r"[\W_]+", "", column.lower()), "")


def columns_of_persons(header: Sequence[str]) -> dict[str, list[str]]:
    """List the columns of each meaning, of those that a table has."""
    found = {meaning: [column for column in header if meaning_of(column) == meaning] for meaning in NAMES}
    return {meaning: columns for meaning, columns in found.items() if columns}


def with_person_columns(raw: RawTable) -> RawTable:
    """Give age and sex the names that are read: of each row the first field that is filled."""
    columns_of = columns_of_persons(raw.header)
    if not columns_of:
        return raw
    header, records = list(raw.header), [list(record) for record in raw.records]
    for meaning, columns in columns_of.items():
        places = [raw.header.index(column) for column in columns]
        for record in records:
            fields = [record[place] for place in places if place < len(record)]
            if fields and len(record) > places[0]:
                record[places[0]] = next((field for field in fields if not is_missing(field)), fields[0])
        for place in places:
            header[place] = f"{header[place]} (read as {meaning})"
        header[places[0]] = meaning
    return RawTable(header, records)


def disagreements(raw: RawTable) -> list[str]:
    """List the rows in which two columns of one meaning disagree, a sentence each, without what they say."""
    wrong = []
    several = {meaning: columns for meaning, columns in columns_of_persons(raw.header).items() if len(columns) > 1}
    if not several:
        return []
    for number, record in enumerate(raw.records, start=1):
        fields = raw.by_column(record)
        for meaning, columns in several.items():
            said = {_understood(meaning, fields[column]) for column in columns if not is_missing(fields[column])}
            if len(said) > 1:
                wrong.append(
                    f"row {number}: the columns {' and '.join(columns)} both hold {meaning} and do not agree; correct"
                    " one, or take one out."
                )
    return wrong


def named_otherwise(raw: RawTable, wrong: Sequence[str]) -> list[str]:
    """Say where age or sex stands, if a problem of a row is about it and the column has another name."""
    return [
        f"{meaning} is what the column {column!r} holds; give the column another name if it should not be read."
        for meaning, columns in columns_of_persons(raw.header).items()
        for column in columns
        if column != meaning and any(f": {meaning} is no " in problem for problem in wrong)
    ]


def _understood(meaning: str, field: str) -> str:
    """Return what a field says, alike for alike: whole years, or a word for the sex."""
    if meaning == "sex":
        return sex_of(field) or field.lower()
    return field if age_band(field) is None else str(int(re.split("[.,]", field)[0]))


@cache
def read_under_other_names(table: Path) -> list[tuple[str, str]]:
    """List the columns of a table that are read under another name: (column, age or sex). The names are those known."""
    if not table.is_file():
        return []
    columns = columns_of_persons(read_header(table)).items()
    return [(column, meaning) for meaning, of_meaning in columns for column in of_meaning if column != meaning]
