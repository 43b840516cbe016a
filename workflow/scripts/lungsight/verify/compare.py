"""Compare a packaged table with rows that were computed again, and name every number that does not follow."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import pandas as pd

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


def compare(table: str, packaged: pd.DataFrame, expected: Iterable[Expected]) -> Outcome:
    """Compare a table with the rows that it should hold.

    Parameters
    ----------
    table
        Name of the table in the package.
    packaged
        The table, as text; its index holds the rows' places, from 0.
    expected
        All of its rows, computed again; all with the same key columns.
    """
    outcome, rows = Outcome(table), list(expected)
    records = dict(zip((int(place) + 1 for place in packaged.index), packaged.to_dict("records"), strict=True))
    keys = list(rows[0].key) if rows else []
    key_of = {place: tuple(as_text(record.get(name, "")) for name in keys) for place, record in records.items()}
    places: dict[tuple[str, ...], int] = {}
    for place, key in key_of.items():
        places.setdefault(key, place)
    found = set()
    for key, values in rows:
        place = places.get(tuple(as_text(key[name]) for name in keys))
        where = " ".join(f"{value}" for value in key.values())
        if place is None:
            outcome.problems.append(f"{table}: the row ({where}) is missing")
            continue
        found.add(place)
        for column, recomputed in values.items():
            value = records[place].get(column)
            outcome.compared += 1
            if value is None:
                outcome.problems.append(f"{table}: the column {column} is missing")
            elif not follows(str(value), recomputed):
                shown = "nothing" if isinstance(recomputed, float) and math.isnan(recomputed) else recomputed
                outcome.problems.append(
                    f"{table}, row {place} ({where}), {column}: packaged {value or 'nothing'}, recomputed {shown}"
                )
    for place in sorted(set(records) - found):
        first = places[key_of[place]]
        why = (
            f"it is a second row of the same as row {first}"
            if first in found
            else "nothing in the package gives this row"
        )
        outcome.problems.append(f"{table}, row {place}: {why}")
    outcome.problems = list(dict.fromkeys(outcome.problems))
    return outcome
