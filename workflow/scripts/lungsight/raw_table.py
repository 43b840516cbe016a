"""Split a table that any common program saved into fields: whole, or refused with the line that is in the way.

Standard library only: it runs while the workflow is parsed.
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lungsight.errors import UserError

SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons"}
# How files begin that people take for a table, and what they are.
_NO_TEXT = {
    b"PK\x03\x04": "a spreadsheet or an archive (.xlsx, .ods, .numbers, .zip)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (.xls)",
    b"\x1f\x8b": "a compressed file",
    b"%PDF": "a PDF",
}
_MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"\xef\xbb\xbf": "utf-8",
}
_LINE_END = re.compile(r"\r\n|\r|\n")
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
# A cell without a value: #N/A, and as it is written in other languages.
NO_VALUE = re.compile(r"#(N/?[AVBD]|I/T|Н/Д|YOK|HIÁNYZIK|PUUTTUU!?|SAKNAS!?|MANGLER)", re.IGNORECASE)
# #REF!, #NAME?, #¡VALOR!, #N/A, #NV; a program may drop the last mark; Err:502 is LibreOffice's.
ERROR_OF_A_SPREADSHEET = re.compile(
    NO_VALUE.pattern
    + r"|#[^\s#]*[!?]|#(VALUE|REF|NAME|DIV/0|NUM|NULL|SPILL|CALC|FIELD|GETTING_DATA|WERT|BEZUG|ZAHL|VALEUR|NOMBRE)"
    r"|#VALOR|Err:\d{3}",
    re.IGNORECASE,
)
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
# What a spreadsheet runs as a formula at the beginning of a cell. A number with a sign, and a sign alone, are none.
_FORMULA = re.compile(r"[=@\uff1d\uff20]|[-+\uff0b\uff0d](?!\s*\d*(?:[.,]\d*)?\s*$)")


def is_formula(text: str) -> bool:
    """Tell whether a spreadsheet would run a text as a formula, in whatever way the table is split into cells."""
    return any(_FORMULA.match(part.strip()) for part in re.split(r"[\t\r\n,;\"']", text))


def decode_text(raw: bytes) -> str:
    """Decode the bytes of a table, without byte order marks.

    UTF-8, UTF-16 and UTF-32 by their mark; UTF-16 without one by the zeros beside its first letters; else UTF-8,
    Windows-1252 or Latin-1.

    Raises
    ------
    UnicodeDecodeError
        If the mark of the file and its content disagree.
    """
    marked = next((encoding for mark, encoding in _MARKS.items() if raw.startswith(mark)), None)
    zeros = [raw[start:32:2].count(0) for start in (0, 1)]
    if marked:
        text = raw.decode(marked) if marked != "utf-8" else _decode_bytes(raw[3:])
    elif max(zeros) > 4 and min(zeros) == 0:
        text = raw.decode("utf-16-be" if zeros[0] else "utf-16-le")
    else:
        text = _decode_bytes(raw)
    while text.startswith(("\ufeff", "ï»¿")):  # a second mark, or one that was read as Windows-1252 and saved again
        text = text.removeprefix("\ufeff").removeprefix("ï»¿")
    return text


def _decode_bytes(raw: bytes) -> str:
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


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

    def column(self, name: str) -> list[str]:
        """List the fields of one column, a record each: "" where the table has no such column or a record is short."""
        if name not in self.header:
            return [""] * len(self.records)
        place = len(self.header) - 1 - self.header[::-1].index(name)  # of two columns the last, as in `by_column`
        return [record[place] if place < len(record) else "" for record in self.records]

    def misfit(self, record: list[str]) -> str:
        """Say why a record has other fields than the header; "" if it fits."""
        if len(record) == len(self.header):
            return ""
        text = "".join(record)
        other = [words for separator, words in SEPARATORS.items() if text.count(separator) >= len(self.header) - 1 > 0]
        hint = f" It seems to be separated by {other[0]}, the header is not." if len(record) == 1 and other else ""
        return f"{len(record)} fields, the header has {len(self.header)}.{hint}"


def read_raw_table(table: Path, called: str = "") -> RawTable:
    """Split a table at tabs, commas or semicolons and strip its fields.

    Above the header there may be empty lines, comments that begin with #, and Excel's `sep=;`.

    Parameters
    ----------
    table : Path
    called : str
        What messages call the table; by default its path.

    Raises
    ------
    UserError
        If the table is empty or cannot be read as a whole.
    """
    called = called or str(table)
    header, rows = _header_and_rows(table, called)
    records = [_fitted(fields, header) for fields in rows if any(fields)]
    _check_records(records, header, called)
    return RawTable(header, records)


def read_header(table: Path) -> list[str]:
    """Read the column names of a table that was read before, in lower case; its rows are not split."""
    header, _ = _header_and_rows(table, str(table))
    return header


def _header_and_rows(table: Path, called: str) -> tuple[list[str], Iterator[list[str]]]:
    """Find the header of a table; yield the stripped fields of every row below it, the empty ones too."""
    lines = _LINE_END.split(_text_of(table, called))
    above = _lines_above_the_header(lines)
    if above == len(lines):
        raise UserError(f"{called} is empty.")
    named = _SEPARATOR_LINE.fullmatch(lines[above].strip())
    if named:
        above += 1 + _lines_above_the_header(lines[above + 1 :])
    if above == len(lines):
        raise UserError(f"{called} is empty.")
    separator = named[1] if named else max(SEPARATORS, key=lines[above].count)
    rows = ([field.strip() for field in fields] for _, fields in _split(lines, above, separator, called))
    header = next(rows, None)
    if header is None:
        raise UserError(f"{called} is empty.")
    return [column.strip(_INVISIBLE).strip().lower() for column in header], rows


def _text_of(table: Path, called: str) -> str:
    try:
        raw = Path(table).read_bytes()
    except IsADirectoryError:
        raise UserError(f"{called} is a folder; name the table in it.") from None
    except OSError as error:
        raise UserError(f"{called} cannot be read: {error.strerror}.") from None
    kind = next((kind for beginning, kind in _NO_TEXT.items() if raw.startswith(beginning)), None)
    if kind:
        raise UserError(f"{called} is {kind}, no text. Open it and export the table as TSV or CSV (UTF-8).")
    if re.match(rb"\s*<(!doctype|html|\?xml)", raw[:200], re.IGNORECASE):
        raise UserError(f"{called} is a web page or XML, no table. Export the table as TSV or CSV (UTF-8).")
    try:
        text = decode_text(raw)
    except UnicodeDecodeError as error:
        raise UserError(f"{called} begins as {error.encoding} and is none: save it again as UTF-8.") from None
    if "\0" in text:
        line = len(_LINE_END.findall(text[: text.index("\0")])) + 1
        raise UserError(f"{called}, line {line}: a NUL byte, which no text holds. Save the table again as UTF-8.")
    return text


def _lines_above_the_header(lines: list[str]) -> int:
    """Count the empty lines and comments at the beginning."""
    return next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))


def _split(lines: list[str], above: int, separator: str, called: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the fields of every record. No record may go on over a second line.

    A quotation mark that opens a field and is not closed would swallow the rows below it.
    """
    reader = csv.reader(lines[above:], delimiter=separator, strict=True)
    while True:
        line = above + reader.line_num + 1
        fields, problem = [""], ""
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"{error}."
            if "expected after" in str(error):
                problem = "text follows a quotation mark that closes a field."
        last = above + reader.line_num
        if last > line or "unexpected end" in problem:
            end = f"line {last}" if last > line else "the end"
            raise UserError(
                f'{called}, line {line}: a quotation mark (") opens here and is not closed on its line, so that all to'
                f' {end} would be one field. Delete it, or write it twice within a quoted field ("5"" disc"); a field'
                " holds no line break."
            )
        if problem:
            raise UserError(f"{called}, line {line}: {problem}")
        if lines[line - 1].lstrip().startswith("#") and not ERROR_OF_A_SPREADSHEET.fullmatch(fields[0].strip()):
            raise UserError(
                f"{called}, line {line} begins with #. Comments are read above the header alone: delete the line, or,"
                ' if # belongs to its first field, write that in quotes ("#7").'
            )
        yield line, fields


def _fitted(fields: list[str], header: list[str]) -> list[str]:
    """Drop empty fields beyond the header, or add those of columns without a name: separators at the end of lines."""
    if len(fields) == len(header):
        return fields
    named = max((n for n, column in enumerate(header, start=1) if column), default=0)
    while len(fields) > len(header) and not fields[-1]:
        fields = fields[:-1]
    return fields + [""] * (len(header) - len(fields)) if named <= len(fields) < len(header) else fields


def _check_records(records: list[list[str]], header: list[str], called: str) -> None:
    """Raise UserError if the header is there again: two tables were joined, and their columns may differ."""
    for number, record in enumerate(records, start=1):
        if record[0].lower() == header[0] and [field.lower() for field in record] == header:
            raise UserError(f"{called}, row {number}: the header again. Were two tables joined? Delete the row.")
