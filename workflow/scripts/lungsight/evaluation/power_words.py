"""Write power.tsv for the terminal."""

import pandas as pd

from lungsight.wording import MISSING, number

_HEADINGS = ("cohort", "test patients", "measure", "by", "if it is", "95 % interval", "width", "method")


def in_words(table: pd.DataFrame) -> str:
    """Write the rows as columns of text, and below them what was assumed and what is odd. table: power.tsv."""
    rows = [_HEADINGS, *(_cells(row) for row in table.to_dict("records"))]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    correlations = sorted(set(table["intraclass_correlation"].dropna()))
    assumed = ", ".join(map(str, correlations))
    notes = [f"{row['cohort']}: {row['note']}." for row in table.to_dict("records") if row["note"]]
    return "\n".join(
        [
            *lines,
            "By patient: one answer for each. By slice: simulated, with an assumed correlation of"
            f" {assumed} within a patient.",
            *dict.fromkeys(notes),
        ]
    )


def _cells(row: dict) -> tuple[str, ...]:
    between = f"{number(row['low'])}–{number(row['high'])}" if pd.notna(row["low"]) else MISSING
    patients = f"{row['patients']} ({row['positive']} + {row['negative']})"
    values = str(row["assumed"]), between, number(row["width"]), row["method"]
    return row["cohort"], patients, {"roc_auc": "AUC"}.get(row["measure"], row["measure"]), row["unit"], *values
