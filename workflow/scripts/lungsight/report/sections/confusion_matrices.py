"""Confusion matrices of every evaluation, by slice: report/metrics.tsv."""

from typing import Any

from lungsight.report.results import RunResults
from lungsight.wording import evaluation_name, evaluation_note


def section(results: RunResults) -> dict[str, Any]:
    """Give the matrices and the classes."""
    return {"matrices": confusion_matrices(results), "labels": results.run["labels"]}


def confusion_matrices(results: RunResults) -> list[dict[str, Any]]:
    """List for every evaluation counts, and shares of each true class (rows sum to 1)."""
    matrices = []
    for row in results.metrics[results.metrics["unit"] == "slice"].to_dict("records"):
        lines = [(row["tp"], row["fn"]), (row["fp"], row["tn"])]
        matrices.append(
            {
                "pipeline": results.display_name(row["pipeline"]),
                "evaluation": evaluation_name(row["stage"], row["cohort"]),
                "note": evaluation_note(row["stage"], results.roles[row["cohort"]]),
                "lines": [[(n, n / sum(line) if sum(line) else 0.0) for n in line] for line in lines],
            }
        )
    return matrices
