"""Split a table that any common program saved into fields, without a check.

Standard library only: it runs while the workflow is parsed.
"""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from lungsight.errors import UserError


def decode_text(raw: bytes) -> str:
    """Decode the bytes of a table: UTF-8, UTF-16 with its byte order mark, Windows-1252, else Latin-1."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _separator(header: str) -> str:
    """Choose the most frequent of tab, comma and semicolon in the header line."""
    return max("\t,;", key=header.count)


@dataclass(frozen=True)
class RawTable:
    """A table as the user wrote it.

    Attributes
    ----------
    header : list of str
        Column names in lower case.
    records : list of list of str
        The fields of each row that is not empty.
    """

    header: list[str]
    records: list[list[str]]

    def by_column(self, record: list[str]) -> dict[str, str]:
        """Name the fields of one record by column. A short record has empty fields at its end."""
        return dict.fromkeys(self.header, "") | dict(zip(self.header, record, strict=False))


def read_raw_table(table: Path) -> RawTable:
    """Split a table at tabs, commas or semicolons and strip its fields.

    Raises
    ------
    UserError
        If the table is empty or cannot be split.
    """
    text = decode_text(table.read_bytes()).lstrip()
    if not text:
        raise UserError(f"{table} is empty.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text.splitlines()[0]))
    try:
        records = [[field.strip() for field in fields] for fields in reader]
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: {error}.") from error
    return RawTable([column.lower() for column in records[0]], [fields for fields in records[1:] if any(fields)])
