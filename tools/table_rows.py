"""Write workflow/scripts/lungsight/rows.py, the type of a row of every table, from workflow/schemas/*.table.yaml."""

import keyword
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROWS = ROOT / "workflow" / "scripts" / "lungsight" / "rows.py"

sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.tables import SCHEMAS, table_schema, types_of  # noqa: E402

HEADER = '''\
"""The type of a row of every table, as `lungsight.tables.rows_of` returns it.

Generated from workflow/schemas/*.table.yaml by tools/table_rows.py; do not edit. A number that may be empty is a float,
NaN where it is empty. Columns that a table need not have are `NotRequired`.
"""

from typing import NotRequired, TypedDict
'''


def type_of(column: dict) -> str:
    """Name the Python type of a column after reading."""
    types = types_of(column)
    if types == {"integer"}:
        return "int"
    return "float" if types & {"integer", "number"} else "str"


def class_of(table: str) -> str:
    """Write the class of one table's rows."""
    schema = table_schema(table)
    name = "".join(word.capitalize() for word in table.split("_"))
    types = {
        column: type_of(definition) if column in schema["required"] else f"NotRequired[{type_of(definition)}]"
        for column, definition in schema["properties"].items()
    }
    if any(map(keyword.iskeyword, types)):  # a word of Python is no attribute of a class
        fields = [f'        "{column}": {kind},' for column, kind in types.items()]
        lines = [f"{name}Row = TypedDict(", f'    "{name}Row",', "    {", *fields, "    },", ")"]
        return "\n".join([*lines, f'"""Row of the table `{table}`."""']) + "\n"
    lines = [f"class {name}Row(TypedDict):", f'    """Row of the table `{table}`."""', ""]
    return "\n".join([*lines, *(f"    {column}: {kind}" for column, kind in types.items())]) + "\n"


def row_types() -> str:
    """Return the text of rows.py."""
    tables = sorted(path.name.removesuffix(".table.yaml") for path in SCHEMAS.glob("*.table.yaml"))
    return "\n\n".join([HEADER, *map(class_of, tables)])


def main() -> None:
    """Write rows.py."""
    ROWS.write_text(row_types(), encoding="utf-8")


if __name__ == "__main__":
    main()
