"""Join the folds of a cross-validation: every patient is tested by a model that has not seen them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.classes import PROBABILITY, probabilities_of
from lungsight.errors import UserError
from lungsight.training.pipelines import PATIENT_CLASS, PATIENT_PREDICTION

SCORES = (PROBABILITY, "p_", PATIENT_PREDICTION, f"{PATIENT_CLASS}_")  # what columns of probabilities begin with


def prediction_files(runs: Sequence[Path]) -> list[Path]:
    """List the prediction tables that every run has, relative to the run's folder.

    Raises
    ------
    UserError
        A run has no prediction table, or lacks one that another run has.
    """
    files_of = {
        run: {path.relative_to(run) for path in run.glob("models/*/stage[12]/predictions/*.tsv")} for run in runs
    }
    everywhere = {path for files in files_of.values() for path in files}
    for run, files in files_of.items():
        if not files or everywhere - files:
            missing = f"lacks {min(everywhere - files)}" if everywhere - files else "has no predictions"
            raise UserError(f"{run.name} {missing}: run all folds to their end, with the same pipelines and cohorts.")
    return sorted(everywhere)


def _have_same_rows(first: pd.DataFrame, other: pd.DataFrame) -> bool:
    """Compare two runs' slices by patient, height and label; pseudonyms may differ, the order of the table does not."""

    def shape(table: pd.DataFrame) -> tuple[list[int], list[str], list[str]]:
        height = table["slice"].str.split("-").str[-1]
        return pd.factorize(table["patient"])[0].tolist(), height.tolist(), table["label"].tolist()

    return shape(first) == shape(other)


def pool_folds(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Pool out-of-fold predictions: each slice gets the probability of the run that tests it.

    A slice that all runs test, of an external cohort, gets the mean of the runs' probabilities.

    Parameters
    ----------
    tables
        Prediction tables of one model and cohort, one per fold.

    Returns
    -------
    A prediction table under the pseudonyms of the first run, all of it test.

    Raises
    ------
    UserError
        The runs are not the folds of one cross-validation.
    """
    first = tables[0]
    if not all(_have_same_rows(first, table) for table in tables[1:]):
        raise UserError("The runs do not have the same slices: same tables, labels and quality control are needed.")
    tested = np.stack([(table["split"] == "test").to_numpy() for table in tables])
    times = tested.sum(axis=0)
    if (times == 0).any():
        raise UserError(f"{(times == 0).sum()} of {len(first)} slices are tested in no run: is a fold missing?")
    if ((times > 1) & (times < len(tables))).any():
        raise UserError("Some slices are tested in several runs, but not in all: is a fold there twice?")
    pooled = first[["slice", "patient", "label"]].assign(split="test")
    for name in [name for name in first.columns if name.startswith(SCORES)]:
        if all(name in table for table in tables):
            values = np.stack([table[name].to_numpy(np.float64) for table in tables])
            pooled[name] = np.where(tested, values, 0).sum(axis=0) / times
    return pooled


def with_prediction(pooled: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """Add the class with the highest pooled probability, `predicted`, where there are more than two classes."""
    if len(labels) <= 2:
        return pooled
    predicted = np.array(labels, dtype=object)[probabilities_of(pooled, labels).argmax(axis=1)]
    return pooled.assign(predicted=predicted)
