"""Compute metrics by where a scan comes from and of whom it is: a model that works in one group only has learned it."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lungsight.evaluation.aggregation import mean_of_slices
from lungsight.evaluation.class_metrics import Costs, overall_row
from lungsight.evaluation.metrics import ENDS, Row, metrics_with_intervals, select_test_rows

MEASURED = ("roc_auc", "accuracy", "recall", "specificity")
MEASURED_OF_CLASSES = ("hand_till", "balanced_accuracy")
COLUMNS = {"source": "source", "scanner": "manufacturer", "kernel": "kernel"}  # grouping → column of cases.tsv
PEOPLE = ("age", "sex")  # groupings and columns of people.tsv
UNKNOWN = "unknown"


def groupings_of(slices: pd.DataFrame, cases: pd.DataFrame, people: pd.DataFrame | None = None) -> pd.DataFrame:
    """Assign every slice to a source, a scanner (its manufacturer), a kernel class, contrast, an age band and a sex.

    Parameters
    ----------
    slices, cases
        slices.tsv and cases.tsv of one cohort.
    people
        people.tsv of the cohort, if it has one.

    Returns
    -------
    A text column per grouping, indexed by slice; "unknown" where the table is empty.
    """
    acquisition = cases.set_index("case")
    columns = {name: acquisition[column] for name, column in COLUMNS.items() if column in acquisition}
    columns["contrast"] = acquisition["contrast"].map({0: "without", 1: "with"}).astype(object)
    if people is not None:
        columns |= {name: people.set_index("case")[name] for name in PEOPLE}
    table = pd.DataFrame({name: slices["case"].map(column) for name, column in columns.items()})
    return table.fillna(UNKNOWN).replace("", UNKNOWN).set_index(slices["slice"])


def _subgroups(test: pd.DataFrame, groups: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield (grouping, value, its test rows) for the groupings with more than one value among the test slices."""
    for grouping in map(str, groups.columns):
        values = test["slice"].map(groups[grouping])
        if values.nunique() > 1:
            for value in sorted(values.unique()):
                yield grouping, value, test[values == value]


def subgroup_rows(
    predictions: pd.DataFrame,
    groups: pd.DataFrame,
    positive: str,
    resamples: int,
    seed: int,
    labels: Sequence[str] = (),
    costs: Costs = None,
) -> list[Row]:
    """Compute the rows of report/subgroups.tsv for the test slices of one prediction table.

    A patient's score is the mean of their slices in the subgroup. A model's own prediction for a patient is not used:
    it comes from all slices of the patient, in whatever subgroup.

    Parameters
    ----------
    predictions
        The prediction table.
    groups
        As `groupings_of` returns it. A grouping with one value among the test slices has no row.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    labels, costs
        Of more than two classes: all of them in order, and the costs of `class_metrics.decide`. A row then holds
        MEASURED_OF_CLASSES as well, over the classes of the subgroup.
    """
    rows: list[Row] = []
    for grouping, value, subgroup in _subgroups(select_test_rows(predictions), groups):
        for unit, table in (("slice", subgroup), ("patient", mean_of_slices(subgroup))):
            metrics = metrics_with_intervals(table, positive, resamples, seed, metrics=MEASURED)
            overall: Row = overall_row(table, labels, costs, resamples, seed) if len(labels) > 2 else {}
            rows.append(
                {
                    "grouping": grouping,
                    "value": value,
                    "unit": unit,
                    "n": len(table),
                    "n_positive": int((table["label"] == positive).sum()),
                    "n_patients": subgroup["patient"].nunique(),
                    **{f"{name}{end}": metrics[f"{name}{end}"] for name in MEASURED for end in ENDS},
                    **{column: value for column, value in overall.items() if column.startswith(MEASURED_OF_CLASSES)},
                }
            )
    return rows
