"""What performance_differences, evaluate_subgroups and evaluation_tables leave of a made run, from its made predictions."""

from pathlib import Path

import pandas as pd

from lungsight.evaluation.performance_differences import Model, difference_table
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.files import read_json
from lungsight.run_description import models_of
from lungsight.tables import columns_of, read_table, write_table
from lungsight.training.pipelines import Pipeline
from tests.factories.tables import POSITIVE


def made_evaluation_tables(run: Path, facts: dict) -> None:
    """report/{differences,subgroups,aggregation,reliability}.tsv, the tables of facts.EVALUATION_TABLES."""
    how = (POSITIVE, facts["bootstrap"], facts["seed"])
    predictions, rows = {}, {"subgroups": [], "aggregation": [], "reliability": []}
    for name, stage in models_of(facts):
        folder, pipeline = run / f"models/{name}/stage{stage}", Pipeline.parse(name)
        found = read_json(folder / "metrics.json")
        model = {"pipeline": name, **pipeline.columns, "stage": stage}
        for table in ("aggregation", "reliability"):
            rows[table] += [model | row for row in found[table]]
        for path in sorted(folder.glob("predictions/*.tsv")):
            table, cohort = read_table(path, "predictions"), run / "cohorts" / path.stem
            predictions[Model(pipeline, str(stage)), path.stem] = table
            groups = groupings_of(*(read_table(cohort / f"{part}.tsv", part) for part in ("slices", "cases")))
            rows["subgroups"] += [{**model, "cohort": path.stem, **row} for row in subgroup_rows(table, groups, *how)]
    write_table(run / "report/differences.tsv", difference_table(predictions, *how), schema="differences")
    for name, found in rows.items():
        write_table(run / f"report/{name}.tsv", pd.DataFrame(found, columns=columns_of(name)), schema=name)
