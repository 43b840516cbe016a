"""What the tables of evaluation hold of a made run, from its made predictions."""

from pathlib import Path

import pandas as pd

from lungsight.evaluation.performance_differences import Model, difference_table
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.files import read_json
from lungsight.run_description import RunDescription, models_of
from lungsight.tables import columns_of, read_table, write_table
from lungsight.training.pipelines import Pipeline
from tests.factories.tables import POSITIVE


def made_evaluation_tables(folder: Path, run: RunDescription) -> None:
    """report/{differences,subgroups,aggregation,reliability}.tsv, the tables of EVALUATION_TABLES."""
    how = (POSITIVE, run["bootstrap"], run["seed"])
    predictions, rows = {}, {"subgroups": [], "aggregation": [], "reliability": []}
    for name, stage in models_of(run):
        of_model, pipeline = folder / f"models/{name}/stage{stage}", Pipeline.parse(name)
        metrics = read_json(of_model / "metrics.json")
        model = {"pipeline": name, **pipeline.columns, "stage": stage}
        for table in ("aggregation", "reliability"):
            rows[table] += [model | row for row in metrics[table]]
        for path in sorted(of_model.glob("predictions/*.tsv")):
            table, cohort = read_table(path, "predictions"), folder / "cohorts" / path.stem
            predictions[Model(pipeline, str(stage)), path.stem] = table
            groups = groupings_of(*(read_table(cohort / f"{part}.tsv", part) for part in ("slices", "cases")))
            rows["subgroups"] += [{**model, "cohort": path.stem, **row} for row in subgroup_rows(table, groups, *how)]
    write_table(folder / "report/differences.tsv", difference_table(predictions, *how), schema="differences")
    for name, of_table in rows.items():
        write_table(folder / f"report/{name}.tsv", pd.DataFrame(of_table, columns=columns_of(name)), schema=name)
