"""Tables between programs: TSV files that are checked against a schema, both when written and when read.

The JSON schema workflow/schemas/<name>.table.yaml describes one row and lists the columns in their order. Columns of
type integer and number are read as numbers; an empty field is NaN where the schema allows null. All other columns are
text; an empty field is "". Yes/no columns are the integers 1 and 0. `lungsight.rows` has a type for the row of each
table.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import fastjsonschema
import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.files import atomic_path
from lungsight.own_yaml import read_own_yaml

Row = TypeVar("Row")

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@cache
def table_schema(name: str) -> dict:
    """Return the JSON schema of one row of the table `name`."""
    return read_own_yaml(SCHEMAS / f"{name}.table.yaml")


@cache
def _row_validator(name: str) -> Callable[[dict], dict]:
    return fastjsonschema.compile(table_schema(name))


def columns_of(name: str) -> list[str]:
    """Return the columns of the table `name`, in order."""
    return list(table_schema(name)["properties"])


def columns_in(name: str, rows: Iterable[Mapping[str, object]]) -> list[str]:
    """Return the columns of the table `name` that it must have, and those of the others that a row holds, in order."""
    held = {column for row in rows for column in row} | set(table_schema(name)["required"])
    return [column for column in columns_of(name) if column in held]


def types_of(column: dict) -> set[str]:
    """Return the JSON types that the schema of a column allows; a column without a type is text."""
    types = column.get("type", "string")
    return {types} if isinstance(types, str) else set(types)


def _is_number(column: dict) -> bool:
    return bool(types_of(column) & {"integer", "number"})


def _to_rows(table: pd.DataFrame) -> list[dict]:
    """Return the rows as JSON values: NaN becomes null, and a whole float becomes an integer."""

    def plain(value: object) -> object:
        if isinstance(value, float | np.floating):
            if np.isnan(value):
                return None
            return int(value) if float(value).is_integer() else float(value)
        return value.item() if isinstance(value, np.generic) else value

    columns = {name: [plain(value) for value in table[name]] for name in table.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def check_table(table: pd.DataFrame, schema: str, where: str) -> None:
    """Check every row of a table against a schema.

    Parameters
    ----------
    where
        The name of the table in the message.

    Raises
    ------
    UserError
        If a required column is missing, or with the first wrong rows.
    """
    missing = [name for name in table_schema(schema)["required"] if name not in table.columns]
    if missing:
        raise UserError(f"{where}: column {', '.join(missing)} is missing; expected {', '.join(columns_of(schema))}.")
    validate = _row_validator(schema)
    wrong = []
    for number, row in enumerate(_to_rows(table), start=1):
        try:
            validate(row)
        except fastjsonschema.JsonSchemaValueException as error:
            wrong.append(f"row {number}: {error.message.removeprefix('data.')}")
    if wrong:
        more = f" (and {len(wrong) - 5} more rows)" if len(wrong) > 5 else ""
        raise UserError(f"{where}: " + "; ".join(wrong[:5]) + more)


def read_table(path: Path, schema: str) -> pd.DataFrame:
    """Read a table and check it.

    Returns
    -------
    DataFrame
        The columns of the file. Numbers are int64, or float64 with NaN for an empty field. All else is str.

    Raises
    ------
    UserError
        If the file is absent or a row does not fit `schema`.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not a tab-separated UTF-8 table: {error}") from error
    _check_quotes(path, len(table))
    for name, column in table_schema(schema)["properties"].items():
        if name in table.columns and _is_number(column):
            try:
                table[name] = pd.to_numeric(table[name].replace("", None))
            except ValueError as error:
                raise UserError(f"{path}: column {name}: {error}") from error
    check_table(table, schema, where=str(path))
    return table


def _check_quotes(path: Path, rows: int) -> None:
    """Raise UserError if a table has fewer rows than lines: a quotation mark that is not closed swallows rows."""
    lines = path.read_bytes().splitlines()
    if sum(bool(line) for line in lines) != rows + 1:
        first = next((number for number, line in enumerate(lines, start=1) if line.count(b'"') % 2), 1)
        raise UserError(
            f'{path}, line {first}: a quotation mark (") opens here and is not closed on its line, which would swallow'
            " rows. Delete it."
        )


def rows_of(table: pd.DataFrame, row: type[Row]) -> list[Row]:
    """Return the rows of a table as dictionaries.

    Parameters
    ----------
    table
        Columns of one schema, and any others.
    row
        The type of a row, from `lungsight.rows` or derived from one there. It is for the type checker alone.
    """
    return cast("list[Row]", table.to_dict("records"))


def write_table(path: Path, table: pd.DataFrame | Sequence[Mapping[str, object]], schema: str) -> None:
    """Check rows and write them as TSV, atomically.

    The columns of the schema come first, any others after them. Numbers keep full precision: each is the shortest text
    that reads back as the same float64.
    """
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table, columns=None if table else columns_of(schema))
    in_schema = [name for name in columns_of(schema) if name in table.columns]
    others = [name for name in table.columns if name not in in_schema]
    table = table[in_schema + others]
    check_table(table, schema, where=str(path))
    table = table.copy()
    for name, column in table_schema(schema)["properties"].items():
        if name in table.columns and "integer" in types_of(column):
            table[name] = table[name].astype("Int64")
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, encoding="utf-8", lineterminator="\n")
