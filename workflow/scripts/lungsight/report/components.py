"""What the page is made of: statements, cells and tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from lungsight.report.results import RunResults
from lungsight.wording import MISSING, evaluation_name, evaluation_note, interval, number

SIGNIFICANT = 0.05
NAMED = 3  # models or groups that a sentence names; it counts the others
Heading = tuple[str, str]
# A row of a table, or an entry of a JSON file.
Row = Any


class Statement(NamedTuple):
    """A sentence.

    Attributes
    ----------
    tone
        "good", "bad", "warn" or "plain".
    table
        Where its numbers are; "" where the place of the sentence says so.
    """

    tone: str
    text: str
    table: str = ""


def named_first(names: Sequence[str]) -> str:
    """List the first names with their numbers, and count the others."""
    more = len(names) - NAMED
    return "; ".join([*names[:NAMED], *([f"and {more} more"] if more > 0 else [])])


class Cell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text
        What it shows.
    sort
        What it sorts by; the text where None.
    tone
        Its colour: "good", "warn", "bad", "above", "below", or none.
    note
        A small second line.
    """

    text: str
    sort: float | None = None
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table that the reader can sort.

    Attributes
    ----------
    name
        Its id on the page, before `-table`.
    headings
        (title, explanation or "") of each column.
    """

    name: str
    caption: str
    headings: Sequence[Heading]
    rows: list[list[Cell]] = field(default_factory=list)

    @property
    def numeric(self) -> frozenset[int]:
        """Positions of the columns that hold a number. They are set to the right."""
        return frozenset(place for row in self.rows for place, cell in enumerate(row) if cell.sort is not None)


def text(value: object) -> Cell:
    """Show a word."""
    return Cell(str(value))


def missing(note: str = "") -> Cell:
    """Show that there is no number."""
    return Cell(MISSING, note=note)


def whole(value: float) -> Cell:
    """Show a count."""
    return Cell(f"{int(value):,}".replace(",", " "), float(value))


def decimal(value: float, digits: int = 2) -> Cell:
    """Show a number with decimals."""
    return Cell(number(value, digits), None if pd.isna(value) else float(value))


def share(value: float) -> Cell:
    """Show a share of 1 as a percentage."""
    return Cell(MISSING if pd.isna(value) else f"{100 * value:.0f} %", None if pd.isna(value) else float(value))


def estimate(row: Row, metric: str) -> Cell:
    """Show a metric of a row, below it its interval."""
    return decimal(row[metric])._replace(note=interval(row, metric))


def estimates(row: Row, metrics: Iterable[str]) -> list[Cell]:
    """Show metrics of a row, below each its interval."""
    return [estimate(row, name) for name in metrics]


def against_chance(row: Row, metric: str, chance: float) -> Cell:
    """Show a metric with its interval; coloured where the whole interval lies on one side of chance."""
    low, high = row[f"{metric}_lo"], row[f"{metric}_hi"]
    return estimate(row, metric)._replace(tone="good" if low > chance else "bad" if high < chance else "")


def audit_estimate(row: Row, name: str = "value") -> Cell:
    """Show a number of the audit with its interval. A negative end is joined by `to`: a dash would read as a minus."""
    between = interval(row, name)
    if row[f"{name}_lo"] < 0:
        between = f"{number(row[f'{name}_lo'])} to {number(row[f'{name}_hi'])}"
    cell = decimal(row[name])
    return cell._replace(text=_with_minus(cell.text), note=_with_minus(between))


def difference(row: Row, name: str) -> Cell:
    """Show a difference with its sign, below it its interval; coloured where the interval lies on one side of 0."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_lo", "_hi"))
    if pd.isna(value):
        return missing()
    tone = "good" if low > 0 else "bad" if high < 0 else ""
    between = "" if pd.isna(low) else f"{low:+.2f} to {high:+.2f}"
    return Cell(_with_minus(f"{value:+.2f}"), float(value), tone, _with_minus(between))


def p_value(value: float, corrected: bool = False) -> Cell:
    """Show a p-value; coloured where it is below 0.05 after correction."""
    shown = MISSING if pd.isna(value) else "< 0.001" if value < 0.001 else f"{value:.3f}"
    significant = corrected and value < SIGNIFICANT
    return Cell(shown, None if pd.isna(value) else float(value), "good" if significant else "")


def model_cells(results: RunResults, pipeline: str, stage: float) -> list[Cell]:
    """Show which model a row is about."""
    return [text(results.display_name(pipeline)), whole(stage)]


def evaluation_cells(results: RunResults, row: Row) -> list[Cell]:
    """Show which model a row is about, and what it was tested on."""
    note = evaluation_note(row["stage"], results.roles[row["cohort"]])
    evaluation = Cell(evaluation_name(row["stage"], row["cohort"]), note=note)
    return [text(results.display_name(row["pipeline"])), evaluation]


def _with_minus(words: str) -> str:
    return words.replace("-", "−")
