"""Compare a packaged table with rows that were computed again, and name every number that does not follow."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lungsight.verify.crate import Crate

TOLERANCE = 1e-9
Value = str | int | float


class Expected(NamedTuple):
    """A row that was computed again: the columns that find it, and what it should hold."""

    key: Mapping[str, Value]
    values: Mapping[str, Value]


@dataclass
class Outcome:
    """What came of one table: how many numbers were compared, and what does not follow, a line each."""

    table: str
    compared: int = 0
    problems: list[str] = field(default_factory=list)


def as_text(value: Value) -> str:
    """Write the value of a key as tables have it, whole numbers without a point and others shortened."""
    try:
        number = float(value)
    except ValueError:
        return str(value)
    return f"{number:.6g}" if math.isfinite(number) and len(str(value)) < 16 else str(value)


def follows(packaged: str, recomputed: Value) -> bool:
    """Tell whether a packaged value is the recomputed one; an empty field is NaN."""
    if isinstance(recomputed, str):
        return packaged == recomputed
    try:
        number = float(packaged) if packaged else math.nan
    except ValueError:
        return False
    if math.isnan(recomputed) or math.isnan(number):
        return math.isnan(recomputed) and math.isnan(number)
    return abs(number - recomputed) <= TOLERANCE


def compare(crate: Crate, table: str, expected: Iterable[Expected], complete: bool = True) -> Outcome:
    """Compare a table with the rows that it should hold.

    Parameters
    ----------
    crate
        The package.
    table
        Name of the table in it.
    expected
        The rows, computed again; all with the same key columns.
    complete
        Whether these are all rows that the table may have.
    """
    packaged = crate.table(table)
    outcome, rows = Outcome(table), list(expected)
    keys = list(rows[0].key) if rows else []
    records = packaged.to_dict("records")
    places = (
        {tuple(as_text(record[name]) for name in keys): n for n, record in enumerate(records, start=1)} if keys else {}
    )
    found = set()
    for key, values in rows:
        place = places.get(tuple(as_text(key[name]) for name in keys))
        where = " ".join(f"{value}" for value in key.values())
        if place is None:
            outcome.problems.append(f"{table}: the row ({where}) is missing")
            continue
        found.add(place)
        for column, recomputed in values.items():
            value = records[place - 1].get(column)
            outcome.compared += 1
            if value is None:
                outcome.problems.append(f"{table}: the column {column} is missing")
            elif not follows(value, recomputed):
                shown = "nothing" if isinstance(recomputed, float) and math.isnan(recomputed) else recomputed
                outcome.problems.append(
                    f"{table}, row {place} ({where}), {column}: packaged {value or 'nothing'}, recomputed {shown}"
                )
    if complete:
        surplus = [number for number in range(1, len(records) + 1) if number not in found]
        outcome.problems += [f"{table}, row {number}: no prediction table gives this row" for number in surplus]
    outcome.problems = list(dict.fromkeys(outcome.problems))
    return outcome
