"""Compute what subsets share, and what leakage adds: report/leakage.tsv and report/leakage_inflation.tsv."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lungsight.verify.compare import Expected
from lungsight.verify.crate import numbers
from lungsight.verify.run import SPLIT_COLUMNS, Run
from lungsight.verify.statistics import (
    NAN,
    Drawing,
    Scores,
    all_values,
    drawn,
    interval,
    resampled_auc,
    without_interval,
)


def inflation_rows(run: Run) -> Iterator[Expected]:
    """Compute report/leakage_inflation.tsv from the predictions of the leakage experiment."""
    for name in run.crate.names("leakage_inflation/", ".tsv"):
        table = run.crate.table(name, ["labels", "unit", "patient", "label", "probability"])
        table["probability"] = numbers(table["probability"], name, "probability").to_numpy()
        for labels in ("true", "shuffled"):
            parts = {
                unit: table[(table["labels"] == labels) & (table["unit"] == unit)] for unit in ("slice", "patient")
            }
            for unit, tested in parts.items():
                values = all_values(tested, run.drawing, metrics=("accuracy", "roc_auc"))
                kept = {column: value for column, value in values.items() if column.startswith(("accuracy", "roc_auc"))}
                inflation = _inflation(parts["slice"], parts["patient"], run.drawing) if unit == "slice" else (NAN,) * 3
                ends = {f"inflation{end}": value for end, value in zip(("", "_lo", "_hi"), inflation, strict=True)}
                counted = {"slices": len(tested), "patients": tested["patient"].nunique()}
                key = {"pipeline": name.split("/")[1].removesuffix(".tsv"), "labels": labels, "unit": unit}
                yield Expected(key, counted | kept | ends)


def _inflation(by_slice: pd.DataFrame, by_patients: pd.DataFrame, drawing: Drawing) -> tuple[float, float, float]:
    """Compute the AUC under the split by slice minus that under the split by patient, with its interval."""
    if by_slice.empty or by_patients.empty:
        return NAN, NAN, NAN
    both = pd.concat([by_slice, by_patients])
    order = list(dict.fromkeys(both["patient"]))
    draws = np.ones((1, len(order)))
    alone = any(
        "roc_auc" in without_interval(Scores(part, drawing.positive), drawing) for part in (by_slice, by_patients)
    )
    if drawing.resamples and not alone:
        draws = np.concatenate([draws, drawn(len(order), drawing.resamples, drawing.seed)])
    values = []
    for part in (by_slice, by_patients):
        present = list(dict.fromkeys(part["patient"]))
        values.append(resampled_auc(Scores(part, drawing.positive), draws[:, [order.index(name) for name in present]]))
    differences = values[0] - values[1]
    return float(differences[0]), *interval(differences[1:])


def overlap_rows(run: Run) -> Iterator[Expected]:
    """Compute the counts of report/leakage.tsv that follow from the splits."""
    views = {model.pipeline.split("-")[0] for model, _ in run.predictions}
    for name in run.crate.names("splits/", ".tsv"):
        _, cohort, view = name.removesuffix(".tsv").split("/")
        if view not in views:
            continue  # the split of whole slices is there for the audit, also where no pipeline looks at them
        split = run.crate.table(name, SPLIT_COLUMNS)
        on_two_sides = int((split.groupby("patient")["split"].nunique() > 1).sum())
        counted = {"slices": len(split), "patients": split["patient"].nunique(), "patients_on_two_sides": on_two_sides}
        yield Expected({"cohort": cohort, "framework": view}, counted)
