"""Compute report/saliency.tsv again from the values of single slices in explain/<pipeline>/stage<k>/saliency.tsv."""

from collections.abc import Iterator

import pandas as pd

from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import numbers
from lungsight.verify.run import Model, Run
from lungsight.verify.statistics import Patients, mean_of_rows

MEASURES = ("lung_mass", "lung_mass_reference", "enrichment", "rank_accuracy", "top10", "iou", "auc")
NO_MASK = ("no lung mask", "no lung in the mask", "the lung mask did not pass quality control")
COLUMNS = ("slice", "patient", "label", "outcome", "empty", "reason")


def explained(run: Run, model: Model) -> pd.DataFrame:
    """Read what was measured of a model's maps, a row for each test slice."""
    name = f"explain/{model.pipeline}/stage{model.stage}/saliency.tsv"
    table = run.crate.table(name, [*COLUMNS, *MEASURES])
    for column in ("empty", *MEASURES):
        table[column] = numbers(table[column], name, column).to_numpy()
    return table


def saliency_rows(run: Run) -> Iterator[Expected]:
    """Average each measure over all slices of a model, and over those of each outcome."""
    for model in run.models():
        table = explained(run, model)
        for outcome in ("all", *dict.fromkeys(table["outcome"])):
            rows = table if outcome == "all" else table[table["outcome"] == outcome]
            patients = Patients(rows["patient"])
            found: dict[str, Value] = {
                **{"n": len(rows), "n_patients": patients.count, "n_empty": int(rows["empty"].sum())},
                "n_left_out": int(rows["reason"].isin(NO_MASK).sum()),
            }
            for measure in MEASURES:
                found |= mean_of_rows(measure, rows[measure].to_numpy(float), patients, run.drawing)
            yield Expected({"pipeline": model.pipeline, "stage": model.stage, "outcome": outcome}, found)
