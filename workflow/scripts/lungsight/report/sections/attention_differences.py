"""Where two models look, in pairs that differ in input view or start weights: report/comparisons.tsv."""

from typing import Any

from lungsight.audit.attention_differences import MEASURES
from lungsight.report.components import Cell, PageTable, decimal, difference, missing, text, whole
from lungsight.report.headings import STAGE
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"differences": attention_difference_table(results)}


def attention_difference_table(results: RunResults) -> PageTable:
    """Show both numbers of each pair and their difference."""
    rows: list[list[Cell]] = []
    for _, row in results.comparisons.iterrows():
        names = [text(results.display_name(row[f"{which}_pipeline"])) for which in ("first", "second")]
        if row["reason"]:
            numbers = [text(row["reason"]), missing(), missing()]
        else:
            change = difference(row, "difference")
            numbers = [decimal(row["first"]), decimal(row["second"])]
            # Neither direction is better in itself.
            numbers.append(change._replace(tone="warn" if change.tone else ""))
        rows.append([*names, whole(row["stage"]), text(MEASURES[row["measure"]]), whole(row["patients"]), *numbers])
    headings = [
        *(("First", ""), ("Second", ""), STAGE, ("Measure", ""), ("Patients", "in both")),
        *(
            ("Value, first", ""),
            ("Value, second", ""),
            ("Difference", "second − first; marked where its interval leaves 0 out"),
        ),
    ]
    caption = "Where they look: pairs that differ in nothing else, on the same test patients"
    return PageTable("attention-differences", caption, headings, rows)
