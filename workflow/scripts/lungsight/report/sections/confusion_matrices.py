"""Confusion matrices of every evaluation, by slice: report/metrics.tsv, and report/confusion.tsv of more classes."""

from collections.abc import Sequence
from typing import Any

from lungsight.report.results import RunResults
from lungsight.wording import evaluation_name, evaluation_note


def section(results: RunResults) -> dict[str, Any]:
    """Give the matrices and the classes."""
    matrices = matrices_of_many(results) if results.many_classes else confusion_matrices(results)
    return {"matrices": matrices, "labels": results.run["labels"], "many": results.many_classes}


def confusion_matrices(results: RunResults) -> list[dict[str, Any]]:
    """List for every evaluation counts, and shares of each true class (rows sum to 1)."""
    return [
        _matrix(results, row, [(row["tp"], row["fn"]), (row["fp"], row["tn"])])
        for row in results.metrics[results.metrics["unit"] == "slice"].to_dict("records")
    ]


def matrices_of_many(results: RunResults) -> list[dict[str, Any]]:
    """List the same for more than two classes, by the raw probabilities."""
    table, labels = results.of_classes["confusion"], results.run["labels"]
    shown = table[(table["unit"] == "slice") & (table["probabilities"] == "raw")]
    return [
        _matrix(results, rows.iloc[0], rows["n"].to_numpy().reshape(len(labels), len(labels)).tolist())
        for _, rows in shown.groupby(["pipeline", "stage", "cohort"], sort=False)
    ]


def _matrix(results: RunResults, row: Any, lines: Sequence[Sequence[int]]) -> dict[str, Any]:
    """Give a matrix with its heading. lines: counts, true × predicted. row: says of which evaluation."""
    return {
        "pipeline": results.display_name(row["pipeline"]),
        "evaluation": evaluation_name(row["stage"], row["cohort"]),
        "note": evaluation_note(row["stage"], results.roles[row["cohort"]]),
        "lines": [[(n, n / sum(line) if sum(line) else 0.0) for n in line] for line in lines],
    }
