"""Performance by source, scanner, kernel, contrast, age and sex: report/subgroups.tsv."""

from typing import Any

from lungsight.report.components import PageTable, estimates, evaluation_cells, text, whole
from lungsight.report.headings import EVALUATION, MAIN_METRICS, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the table."""
    return {"subgroups": subgroup_table(results)}


def subgroup_table(results: RunResults) -> PageTable:
    """Show each evaluation in each subgroup, by patient."""
    table = results.evaluation["subgroups"]
    rows = [
        [
            *evaluation_cells(results, row),
            *(text(row["grouping"]), text(row["value"]), whole(row["n"]), whole(row["n_positive"])),
            *estimates(row, MAIN_METRICS),
        ]
        for _, row in table[table["unit"] == "patient"].iterrows()
    ]
    headings = [PIPELINE, EVALUATION, ("By", ""), ("Value", ""), ("n", "test patients"), ("Positive", "of them")]
    headings += [PERFORMANCE[name] for name in MAIN_METRICS]
    return PageTable("subgroups", "By source, scanner, kernel, contrast, age and sex", headings, rows)
