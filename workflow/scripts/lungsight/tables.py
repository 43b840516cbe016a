"""Tables that leave a room: TSV, each with a JSON schema of its row, written whole and read with a check.

A schema (workflow/schemas/<name>.table.yaml) lists the columns in their order. Columns of type integer and number are
read as numbers, an empty field as NaN where the schema allows null; all others are text, an empty field as "".
Yes/no columns are integers 1/0.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

import fastjsonschema
import numpy as np
import pandas as pd
import yaml

from lungsight.errors import UserError
from lungsight.files import atomic_path

Row = TypeVar("Row")

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


@cache
def table_schema(name: str) -> dict:
    """The JSON schema of one row of the table `name`."""
    return yaml.safe_load((SCHEMAS / f"{name}.table.yaml").read_text(encoding="utf-8"))


@cache
def _row_validator(name: str) -> Callable[[dict], dict]:
    return fastjsonschema.compile(table_schema(name))


def columns_of(name: str) -> list[str]:
    """The columns that the table `name` must have, in order."""
    return list(table_schema(name)["properties"])


def types_of(column: dict) -> set[str]:
    """Return the JSON types that a column's schema allows; text where it names none."""
    kind = column.get("type", "string")
    return {kind} if isinstance(kind, str) else set(kind)


def _is_number(column: dict) -> bool:
    return bool(types_of(column) & {"integer", "number"})


def _to_rows(table: pd.DataFrame) -> list[dict]:
    """Rows as JSON values: NaN is null, whole floats of an integer column are integers."""

    def plain(value: object) -> object:
        if isinstance(value, float | np.floating):
            if np.isnan(value):
                return None
            return int(value) if float(value).is_integer() else float(value)
        return value.item() if isinstance(value, np.generic) else value

    columns = {name: [plain(value) for value in table[name]] for name in table.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def check_table(table: pd.DataFrame, schema: str, where: str) -> None:
    """Raise UserError, naming the first wrong rows, unless every row of `table` fits the schema."""
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
    """Read and check a TSV that a room left.

    Returns a frame with the file's columns; numbers as int64 or float64 (with NaN for an empty field), the rest as str.
    Raises UserError when the file is absent or a row does not fit `schema`.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is no tab-separated UTF-8 table: {error}") from error
    for name, column in table_schema(schema)["properties"].items():
        if name in table.columns and _is_number(column):
            try:
                table[name] = pd.to_numeric(table[name].replace("", None))
            except ValueError as error:
                raise UserError(f"{path}: column {name}: {error}") from error
    check_table(table, schema, where=str(path))
    return table


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
    """Check rows and write them as TSV, atomically, the schema's columns first and any others after them.

    Numbers keep full precision (shortest text that reads back to the same float64).
    """
    if not isinstance(table, pd.DataFrame):
        table = pd.DataFrame(table, columns=None if table else columns_of(schema))
    known = [name for name in columns_of(schema) if name in table.columns]
    extra = [name for name in table.columns if name not in known]
    table = table[known + extra]
    check_table(table, schema, where=str(path))
    table = table.copy()
    for name, column in table_schema(schema)["properties"].items():
        if name in table.columns and "integer" in types_of(column):
            table[name] = table[name].astype("Int64")
    with atomic_path(path) as temporary:
        table.to_csv(temporary, sep="\t", index=False, encoding="utf-8", lineterminator="\n")
