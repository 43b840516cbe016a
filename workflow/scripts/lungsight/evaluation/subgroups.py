"""The same metrics by where a scan comes from: a model that works in one source only has learned the source."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lungsight.evaluation.metrics import mean_of_slices, metrics_with_intervals

MEASURED = ("roc_auc", "accuracy", "recall", "specificity")
COLUMNS = {"source": "source", "scanner": "manufacturer", "kernel": "kernel"}  # of cases.tsv
UNKNOWN = "unknown"


def groupings_of(slices: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """What every slice belongs to: source, scanner (manufacturer), kernel (its class) and contrast (with, without).

    slices, cases: as slices.tsv and cases.tsv of one cohort. Returns text columns by slice, "unknown" where empty.
    """
    facts = cases.set_index("case")
    groups = {name: facts[column] for name, column in COLUMNS.items() if column in facts}
    groups["contrast"] = facts["contrast"].map({0: "without", 1: "with"}).astype(object)
    table = pd.DataFrame({name: slices["case"].map(fact) for name, fact in groups.items()})
    return table.fillna(UNKNOWN).replace("", UNKNOWN).set_index(slices["slice"])


def _parts(test: pd.DataFrame, groups: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(grouping, value, its test rows), of the groupings that tell test slices apart."""
    for grouping in groups:
        values = test["slice"].map(groups[grouping])
        if values.nunique() > 1:
            for value in sorted(values.unique()):
                yield grouping, value, test[values == value]


def subgroup_rows(
    predictions: pd.DataFrame, groups: pd.DataFrame, positive: str, resamples: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of report/subgroups.tsv for the test slices of one prediction table, by slice and by patient (mean).

    Also where a network has an answer of its own for a patient: that one is of all slices, in whatever group.
    groups: as `groupings_of`. A grouping with one value among the test slices has no row.
    """
    rows = []
    for grouping, value, part in _parts(predictions[predictions["split"] == "test"], groups):
        for unit, table in (("slice", part), ("patient", mean_of_slices(part))):
            found = metrics_with_intervals(table, positive, resamples, seed)
            measured = {f"{name}{end}": found[f"{name}{end}"] for name in MEASURED for end in ("", "_lo", "_hi")}
            positives = int((table["label"] == positive).sum())
            counts = {"n": len(table), "n_positive": positives, "n_patients": part["patient"].nunique()}
            rows.append({"grouping": grouping, "value": value, "unit": unit, **counts, **measured})
    return rows
