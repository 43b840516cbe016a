"""Read the first sheet of an .xlsx file, as data sets distribute their metadata. Standard library only.

An .xlsx is a ZIP archive of XML. What a file claims is not believed: archives that unpack to more than a table needs,
document types (which may hold entities that expand without end), and references to nowhere are refused.

References
----------
ECMA-376, Office Open XML, part 1, 18.3 and 18.4 (SpreadsheetML).
"""

import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from lungsight.errors import UserError

MOST_BYTES = 20_000_000  # of one part, unpacked
MOST_COLUMNS = 1000
MOST_CELLS = 2_000_000  # rows times columns
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_COLUMN = re.compile(r"([A-Z]{1,3})\d+")


class _Unreadable(Exception):
    """What is wrong with a spreadsheet, in words."""


def read_first_sheet(path: Path) -> list[list[str]]:
    """Read the cells of the first sheet as text, stripped; every row is as long as the longest.

    Raises
    ------
    UserError
        If the file is no whole spreadsheet, or one that no table needs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            strings = _shared_strings(archive)
            rows = [_cells(row, strings) for row in _part(archive, _first_sheet(archive)).iter(f"{_MAIN}row")]
            return _rectangle(rows)
    except _Unreadable as error:
        problem = str(error)
    except zipfile.BadZipFile:
        problem = "it is no ZIP archive, or a damaged one"
    except ElementTree.ParseError:
        problem = "its XML is damaged"
    except OSError as error:
        problem = error.strerror or "a damaged archive"
    # RuntimeError: encrypted. NotImplementedError is one: a compression that is not known here.
    except (RuntimeError, zlib.error, EOFError, ValueError, LookupError):
        problem = "it is encrypted or damaged"
    raise UserError(f"{path.name} cannot be read as a spreadsheet: {problem}. Download it again, or save it as CSV.")


def _rectangle(rows: list[dict[int, str]]) -> list[list[str]]:
    """Fill rows up to the length of the longest."""
    width = max((max(row, default=-1) + 1 for row in rows), default=0)
    if len(rows) * width > MOST_CELLS:
        raise _Unreadable(f"it has more than {MOST_CELLS:,} cells")
    return [[row.get(column, "") for column in range(width)] for row in rows]


def _part(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    """Unpack and parse one part of the archive."""
    try:
        file = archive.open(name)
    except KeyError:
        raise _Unreadable(f"its part {name[:60]} is missing") from None
    with file:
        content = file.read(MOST_BYTES + 1)  # whatever size the archive claims
    if len(content) > MOST_BYTES:
        raise _Unreadable(f"its part {name[:60]} unpacks to more than {MOST_BYTES // 1_000_000} MB")
    if b"<!DOCTYPE" in content.replace(b"\0", b""):  # zeros: of UTF-16
        raise _Unreadable("its XML has a document type, which no spreadsheet has")
    return ElementTree.fromstring(content)


def _first_sheet(archive: zipfile.ZipFile) -> str:
    """Find the part that holds the first sheet."""
    sheet = _part(archive, "xl/workbook.xml").find(f"{_MAIN}sheets/{_MAIN}sheet")
    if sheet is None:
        raise _Unreadable("it has no sheet")
    for relation in _part(archive, "xl/_rels/workbook.xml.rels"):
        if relation.get("Id") == sheet.get(_RELATION):
            target = relation.get("Target", "")
            return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
    raise _Unreadable("its first sheet is missing")


def _shared_strings(archive: zipfile.ZipFile) -> list[str]:
    """Read the texts that cells refer to by number; a spreadsheet of numbers alone has none."""
    name = "xl/sharedStrings.xml"
    if name not in archive.namelist():
        return []
    return [_text(item) for item in _part(archive, name).iter(f"{_MAIN}si")]


def _text(item: ElementTree.Element) -> str:
    """Join the runs of a text, without its phonetic guide."""
    return "".join(_runs(item)).strip()


def _runs(item: ElementTree.Element) -> Iterator[str]:
    for child in item:
        if child.tag == f"{_MAIN}t":
            yield child.text or ""
        elif child.tag == f"{_MAIN}r":
            yield from _runs(child)


def _cells(row: ElementTree.Element, strings: list[str]) -> dict[int, str]:
    """Read one row: column, from 0 → text. A cell without a reference follows the one before it."""
    cells: dict[int, str] = {}
    column = -1
    for cell in row.iter(f"{_MAIN}c"):
        column = _number_of(cell.get("r", "")) if cell.get("r") else column + 1
        if column >= MOST_COLUMNS:
            raise _Unreadable(f"it has more than {MOST_COLUMNS} columns")
        cells[column] = _value(cell, strings)
    return cells


def _number_of(reference: str) -> int:
    """Turn the reference of a cell into the number of its column: A1 is 0, AA7 is 26."""
    match = _COLUMN.fullmatch(reference)
    if not match:
        raise _Unreadable(f"it has a cell {reference[:20]!r}")
    number = 0
    for letter in match[1]:
        number = 26 * number + ord(letter) - ord("A") + 1
    return number - 1


def _value(cell: ElementTree.Element, strings: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        item = cell.find(f"{_MAIN}is")
        return "" if item is None else _text(item)
    value = (cell.findtext(f"{_MAIN}v") or "").strip()
    if cell.get("t") != "s" or not value:
        return value
    number = int(value)
    if not 0 <= number < len(strings):
        raise _Unreadable("a cell refers to a text that is not there")
    return strings[number]
