"""Write power.tsv for the terminal."""

import pandas as pd

from lungsight.rows import PowerRow
from lungsight.tables import rows_of
from lungsight.wording import MISSING, number

_HEADINGS = ("cohort", "test patients", "measure", "by", "if it is", "95 % interval", "width", "method")


def in_words(table: pd.DataFrame) -> str:
    """Write the rows as columns of text, and below them what was assumed and what is odd. table: power.tsv."""
    found = rows_of(table, PowerRow)
    rows = [_HEADINGS, *(_cells(row) for row in found)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    correlations = sorted(set(table["intraclass_correlation"].dropna()))
    assumed = ", ".join(map(str, correlations))
    notes = [f"{row['cohort']}: {row['note']}." for row in found if row["note"]]
    return "\n".join(
        [
            *lines,
            "By patient: one answer for each. By slice: simulated, with an assumed correlation of"
            f" {assumed} within a patient.",
            *dict.fromkeys(notes),
        ]
    )


def _cells(row: PowerRow) -> tuple[str, ...]:
    between = f"{number(row['low'])}–{number(row['high'])}" if pd.notna(row["low"]) else MISSING
    patients = f"{row['patients']} ({row['positive']} + {row['negative']})"
    measure = "AUC" if row["measure"] == "roc_auc" else row["measure"]
    values = str(row["assumed"]), between, number(row["width"]), row["method"]
    return row["cohort"], patients, measure, row["unit"], *values
