"""Check the prediction tables themselves: against their splits, against the maps, and as probabilities."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lungsight.verify.crate import numbers
from lungsight.verify.run import ROLE, SCORED, SPLIT_COLUMNS, Model, Run


def prediction_problems(run: Run) -> Iterator[str]:
    """Name the rows of prediction tables that are not those of their split, or not what the maps were made for."""
    for (model, cohort), table in run.predictions.items():
        name, view = f"{model.folder}/predictions/{cohort}.tsv", model.pipeline.split("-")[0]
        yield from _unlike_split(
            table, name, run.crate.table(f"splits/{cohort}/{view}.tsv", SPLIT_COLUMNS), view, cohort
        )
        yield from _unlike_maps(run, model, cohort, table, name)


def _unlike_split(table: pd.DataFrame, name: str, split: pd.DataFrame, view: str, cohort: str) -> Iterator[str]:
    """Name the rows that their split does not have, and the slices of it that no row has."""
    file, columns = f"splits/{cohort}/{view}.tsv", list(SPLIT_COLUMNS)
    of_split = {row[0]: row for row in split[columns].itertuples(index=False, name=None)}
    seen: set[str] = set()
    for number, row in enumerate(table[columns].itertuples(index=False, name=None), start=1):
        if row[0] in seen:
            yield f"{name}, row {number} ({row[0]}): the slice has a row already"
        elif of_split.get(row[0]) != row:
            yield f"{name}, row {number} ({row[0]}): not the row of {file}"
        seen.add(row[0])
    yield from (f"{name}: the slice {missing} of {file} has no row" for missing in of_split if missing not in seen)


def impossible_probabilities(run: Run) -> Iterator[str]:
    """Name the probabilities, those of training slices too, that are none: not finite, or not from 0 to 1."""
    tables = {f"{model.folder}/predictions/{cohort}.tsv": table for (model, cohort), table in run.predictions.items()}
    for name in (*run.crate.names("leakage_inflation/", ".tsv"), *run.crate.names("ensembles/", ".tsv")):
        scores = numbers(run.crate.table(name, ["probability"])["probability"], name, "probability")
        tables[name] = pd.DataFrame({"probability": scores})
    for name, table in tables.items():
        for column in table.columns.intersection(list(SCORED)):
            wrong = np.flatnonzero(~table[column].between(0, 1).to_numpy())
            for place in wrong:
                shown = "nothing" if np.isnan(table[column].iloc[place]) else table[column].iloc[place]
                yield f"{name}, row {place + 1}, {column}: {shown} is no probability from 0 to 1"


def _unlike_maps(run: Run, model: Model, cohort: str, table: pd.DataFrame, name: str) -> Iterator[str]:
    """Name the rows whose probability is not the one that saliency.tsv states, on the cohort that the maps are of."""
    maps = f"explain/{model.pipeline}/stage{model.stage}/saliency.tsv"
    if maps not in run.crate.files or model.stage not in ROLE or cohort != run.trained_on(model.stage):
        return
    explained = run.crate.table(maps, ["slice", "probability"])
    stated = dict(zip(explained["slice"], numbers(explained["probability"], maps, "probability"), strict=True))
    for number, (name_of_slice, probability) in enumerate(
        zip(table["slice"], table["probability"], strict=True), start=1
    ):
        if name_of_slice in stated and not np.isclose(stated[name_of_slice], probability, rtol=0, atol=1e-9):
            other = f"{maps} says {stated[name_of_slice]}"
            yield f"{name}, row {number} ({name_of_slice}), probability: {probability}, {other}"
