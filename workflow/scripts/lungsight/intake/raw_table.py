"""A table as some program saved it, split into fields. Standard library only: it runs while the workflow is parsed."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from lungsight.errors import UserError


def decode(raw: bytes) -> str:
    """Text of a table saved by any common program: UTF-8, UTF-16 with its mark, Windows-1252, Latin-1."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", errors="replace")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def _separator(header: str) -> str:
    """The most frequent of tab, comma and semicolon in the header line."""
    return max("\t,;", key=header.count)


@dataclass(frozen=True)
class RawTable:
    """A table as the user wrote it: column names in lower case, and the fields of each row that is not empty."""

    header: list[str]
    records: list[list[str]]

    def given(self, fields: list[str]) -> dict[str, str]:
        """One row's fields by column; a row that is too short has empty fields."""
        return dict.fromkeys(self.header, "") | dict(zip(self.header, fields, strict=False))


def read_raw_table(table: Path) -> RawTable:
    """Split a table into fields, unchecked: tab, comma or semicolon, in any common encoding; fields are stripped."""
    text = decode(table.read_bytes()).lstrip()
    if not text:
        raise UserError(f"{table} is empty.")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text.splitlines()[0]))
    try:
        records = [[field.strip() for field in fields] for fields in reader]
    except csv.Error as error:
        raise UserError(f"{table}, line {reader.line_num}: {error}.") from error
    return RawTable([column.lower() for column in records[0]], [fields for fields in records[1:] if any(fields)])
