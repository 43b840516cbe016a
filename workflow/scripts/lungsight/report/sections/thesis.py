"""Our numbers by slice beside the thesis's, under their right names."""

from typing import Any

import pandas as pd

from lungsight.evaluation.thesis_comparison import COMPARED, thesis_comparison
from lungsight.report.components import Cell, PageTable, decimal, estimate, evaluation_cells, missing, text, whole
from lungsight.report.headings import EVALUATION, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"comparison": thesis_table(results)}


def thesis_table(results: RunResults) -> PageTable:
    """Show for each metric our number, the thesis's, and how far they are apart."""
    rows = [
        [
            *evaluation_cells(results, row),
            whole(row["n"]),
            *(cell for metric, column in COMPARED.items() for cell in _beside(row, metric, column)),
            text(row["note"]),
        ]
        for _, row in thesis_comparison(results.metrics, results.thesis).iterrows()
    ]
    headings = [PIPELINE, EVALUATION, ("n", "our test slices")]
    for metric in COMPARED:
        title = PERFORMANCE[metric][0]
        headings += [(title, "ours"), (f"{title}, thesis", "on the thesis's data")]
        headings.append((f"{title}, difference", "ours − thesis, and whether our interval covers the thesis's number"))
    headings.append(("Where it stands in the thesis", ""))
    return PageTable("thesis", "By slice, beside the thesis's numbers", headings, rows)


def _beside(row: pd.Series, metric: str, column: str) -> list[Cell]:
    difference, covered = row[f"{metric}_difference"], row[f"{metric}_covered"]
    cells = [estimate(row, metric), decimal(row[column], 3)]
    if not covered:
        return [*cells, missing()]
    tone = "warn" if covered == "not covered" else ""
    return [*cells, Cell(f"{difference:+.2f}".replace("-", "−"), float(difference), tone, covered)]
