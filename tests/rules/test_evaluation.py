"""The rules that evaluate all models of a run together, by themselves, on made predictions."""

from pathlib import Path

import numpy as np
import pytest

from lungsight.tables import read_table, write_table
from tests.factories.tables import POSITIVE, made_cohort, made_split
from tests.factories.workspace import Workspace
from tests.rules.test_training import SIZE, workspace


def made_predictions(space: Workspace, pipelines: list[str]) -> None:
    """Prediction tables of every model of the pipelines, metrics.json not among them; the later ones are better."""
    for cohort in ("curated", "hospital"):
        slices = made_cohort(space.run_folder, cohort, patients=16, slices=2, size=SIZE)
        split = made_split(space.run_folder, cohort, "whole", slices)
        for number, name in enumerate(pipelines):
            for stage in (1, 2, "2-target-only") if cohort == "hospital" else (1,):
                rng = np.random.default_rng(number)
                logit = (number + 1) * np.where(split["label"] == POSITIVE, 1, -1) + rng.normal(size=len(split))
                path = space.run_folder / f"models/{name}/stage{stage}/predictions/{cohort}.tsv"
                write_table(path, split.assign(probability=1 / (1 + np.exp(-logit))), "predictions")


def test_compare_models(tmp_path: Path) -> None:
    space = workspace(tmp_path, adaptation_controls=True)
    names = ["whole-small_cnn-scratch", "whole-small_cnn-imagenet"]
    space.config["pipelines"]["weights"] = ["scratch", "imagenet"]
    space.write_config()
    made_predictions(space, names)
    space.must_run("performance_differences", "report/differences.tsv")
    table = read_table(space.run_folder / "report/differences.tsv", "differences")
    found = table[["comparison", "cohort"]].drop_duplicates().itertuples(index=False, name=None)
    assert set(found) == {
        *(("weights", cohort) for cohort in ("curated", "hospital")),
        *((step, "hospital") for step in ("adaptation", "stage 1 first")),
    }
    row = table.query("comparison == 'weights' and first_stage == '2-target-only' and metric == 'accuracy'").iloc[0]
    assert (row["first_pipeline"], row["second_pipeline"], row["second_stage"]) == (*names, "2-target-only")
    first, second = (
        read_table(space.run_folder / f"models/{name}/stage2-target-only/predictions/hospital.tsv", "predictions")
        for name in names
    )
    right = [
        ((one["probability"] >= 0.5) == (one["label"] == POSITIVE))[one["split"] == "test"].mean()
        for one in (first, second)
    ]
    assert row["difference"] == pytest.approx(right[1] - right[0])


def test_evaluate_subgroups(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    made_predictions(space, ["whole-small_cnn-scratch"])
    path = space.run_folder / "cohorts/hospital/cases.tsv"
    cases = read_table(path, "cases")
    write_table(path, cases.assign(contrast=np.arange(len(cases)) // 8), "cases")
    space.must_run("evaluate_subgroups", "report/subgroups.tsv")
    table = read_table(space.run_folder / "report/subgroups.tsv", "subgroups")
    assert set(table["cohort"]) == {"hospital"}
    assert table.groupby(["stage", "unit"])["value"].apply(list).to_dict() == {
        (stage, unit): ["with", "without"] for stage in (1, 2) for unit in ("patient", "slice")
    }
    assert (table[table["unit"] == "slice"]["n"] == 2 * table[table["unit"] == "patient"]["n"].to_numpy()).all()


def test_evaluation_tables(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    made_predictions(space, ["whole-small_cnn-scratch"])
    rules = ("evaluate", "evaluation_tables")
    target = f"{space.results}/report/reliability.tsv"
    done = space.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *rules, "--", target)
    assert done.returncode == 0, done.stdout
    aggregation = read_table(space.run_folder / "report/aggregation.tsv", "aggregation")
    assert len(aggregation) == 3 * 4 * 2  # stage 1 on two cohorts, stage 2 on one
    reliability = read_table(space.run_folder / "report/reliability.tsv", "reliability")
    assert reliability.groupby(["stage", "cohort"])["n"].sum().to_dict() == {
        (1, "curated"): 8,
        (1, "hospital"): 8,
        (2, "hospital"): 8,
    }
