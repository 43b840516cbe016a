"""Cross-validation: the runs of all folds joined, every patient tested by a model that has not seen them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.evaluation.metrics import PATIENT_PREDICTION


def prediction_files(runs: Sequence[Path]) -> list[Path]:
    """Prediction tables that every run has, below models/. Raises UserError where one lacks another's, or has none."""
    found = {run: {path.relative_to(run) for path in run.glob("models/*/stage[12]/predictions/*.tsv")} for run in runs}
    everywhere = set.union(*found.values())
    for run, own in found.items():
        if not own or everywhere - own:
            missing = f"lacks {min(everywhere - own)}" if everywhere - own else "has no predictions"
            raise UserError(f"{run.name} {missing}: run all folds to their end, with the same pipelines and cohorts.")
    return sorted(everywhere)


def _same_rows(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Whether two runs, whose pseudonyms may differ, have the same slices, which are in the user's table's order."""

    def shape(table: pd.DataFrame) -> tuple[list, ...]:
        height = table["slice"].str.split("-").str[-1]
        return pd.factorize(table["patient"])[0].tolist(), height.tolist(), table["label"].tolist()

    return shape(first) == shape(other)


def pool_folds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Out-of-fold predictions: every slice with the probability of the run that tests it.

    tables: `predictions` of one model and cohort, one per fold. Slices that all runs test, those of an external cohort,
    get the mean of the runs' probabilities. Returns a table `predictions` under the first run's pseudonyms, all of it
    test. Raises UserError when the runs are not the folds of one cross-validation.
    """
    first = tables[0]
    if not all(_same_rows(first, table) for table in tables[1:]):
        raise UserError("The runs do not have the same slices: same tables, labels and quality control are needed.")
    tested = np.stack([(table["split"] == "test").to_numpy() for table in tables])
    times = tested.sum(axis=0)
    if (times == 0).any():
        raise UserError(f"{(times == 0).sum()} of {len(first)} slices are tested in no run: is a fold missing?")
    if ((times > 1) & (times < len(tables))).any():
        raise UserError("Some slices are tested in several runs, but not in all: is a fold there twice?")
    answers = [name for name in ("probability", PATIENT_PREDICTION) if all(name in table for table in tables)]
    pooled = {}
    for name in answers:
        values = np.stack([table[name].to_numpy(np.float64) for table in tables])
        pooled[name] = np.where(tested, values, 0).sum(axis=0) / times
    return first[["slice", "patient", "label"]].assign(split="test", **pooled)
