"""Make prediction tables, and the tables that the programs of evaluation leave of a made run."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.evaluation.decision_curves import decision_rows
from lungsight.evaluation.ensemble_table import Statistics, combine_predictions, rows_of_stage
from lungsight.evaluation.performance_differences import Model, difference_table
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.files import read_json
from lungsight.run_description import RunDescription, cohort_of_stage, models_of
from lungsight.tables import columns_in, read_table, write_table
from lungsight.training.pipelines import Pipeline, model_columns
from tests.factories.tables import NEGATIVE, POSITIVE


def made_prediction_table(skill: float, patients: int = 24, slices: int = 5, seed: int = 0) -> pd.DataFrame:
    """Make the predictions of one model: a third of the patients for validation, the others for test.

    The classes alternate. skill: distance between the classes' mean logits; the logit of a slice has noise of variance
    1 by patient and of variance 1 by slice.
    """
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(patients), slices)
    positive = number % 2 == 0
    logit = skill * np.where(positive, 0.5, -0.5) + rng.normal(size=patients)[number] + rng.normal(size=len(number))
    return pd.DataFrame(
        {
            "slice": [f"{n:016x}-{k:04d}" for n in range(patients) for k in range(slices)],
            "patient": [f"{n:016x}" for n in number],
            "label": np.where(positive, POSITIVE, NEGATIVE),
            "split": np.where((number // 2) % 3 == 0, "val", "test"),
            "probability": 1 / (1 + np.exp(-logit)),
        }
    )


def made_ensembles(folder: Path, run: RunDescription, predictions: dict[tuple[Model, str], pd.DataFrame]) -> None:
    """Write the predictions and report/ensembles.tsv of a made run; every ensemble holds all pipelines."""
    rows = []
    for stage in run["stages"]:
        of_stage: dict[str, dict[str, pd.DataFrame]] = {}
        for (model, cohort), table in predictions.items():
            if model.stage == str(stage):
                of_stage.setdefault(model.pipeline.name, {})[cohort] = table
        cohort = cohort_of_stage(run, stage)
        combined = combine_predictions(list(of_stage), of_stage, cohort, run["labels"])
        for name in run["ensembles"]:
            for of_cohort, table in combined[1].items():
                file = folder / f"ensembles/{name}/stage{stage}/predictions/{of_cohort}.tsv"
                write_table(file, table, schema="predictions")
        statistics = Statistics(POSITIVE, run["bootstrap"], run["seed"], run["labels"])
        rows += rows_of_stage(stage, cohort, of_stage, dict.fromkeys(run["ensembles"], combined), statistics)
    columns = columns_in("ensembles", rows)
    write_table(folder / "report/ensembles.tsv", [{name: row[name] for name in columns} for row in rows], "ensembles")


def made_evaluation_tables(folder: Path, run: RunDescription) -> None:
    """Write report/{differences,subgroups,aggregation,reliability,decision_curves}.tsv of a made run."""
    how = (POSITIVE, run["bootstrap"], run["seed"])
    predictions, rows = {}, {"subgroups": [], "aggregation": [], "reliability": [], "decision_curves": []}
    for name, stage in models_of(run):
        of_model, pipeline = folder / f"models/{name}/stage{stage}", Pipeline.parse(name)
        evaluation = read_json(of_model / "metrics.json")
        model = model_columns(name, stage)
        for table in ("aggregation", "reliability"):
            rows[table] += [model | row for row in evaluation[table]]
        for path in sorted(of_model.glob("predictions/*.tsv")):
            table, cohort = read_table(path, "predictions"), folder / "cohorts" / path.stem
            predictions[Model(pipeline, str(stage)), path.stem] = table
            curve = decision_rows(table, *how)
            rows["decision_curves"] += [{**model, "cohort": path.stem, **row} for row in curve]
            slices, cases = (read_table(cohort / f"{schema}.tsv", schema) for schema in ("slices", "cases"))
            groups = groupings_of(slices, cases)
            rows["subgroups"] += [{**model, "cohort": path.stem, **row} for row in subgroup_rows(table, groups, *how)]
    if run["ensembles"]:
        made_ensembles(folder, run, predictions)
    write_table(folder / "report/differences.tsv", difference_table(predictions, *how), schema="differences")
    for name, of_table in rows.items():
        write_table(
            folder / f"report/{name}.tsv", pd.DataFrame(of_table, columns=columns_in(name, of_table)), schema=name
        )
