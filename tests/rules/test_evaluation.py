"""Rules of the evaluation room by themselves, on made predictions."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score

from lungsight.classes import with_probabilities
from lungsight.files import read_json
from lungsight.tables import read_table, write_table
from tests.factories.run import FINISHED_PIPELINES as PIPELINES
from tests.factories.run import made_finished_run
from tests.factories.tables import POSITIVE, made_cohort, made_split, save_manifest
from tests.factories.workspace import Workspace
from tests.rules.test_training import MODEL, SIZE, workspace

THREE = ["Covid-19", "CAP", "Non Covid"]


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


def test_performance_differences(tmp_path: Path) -> None:
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


def test_decision_curves(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    made_predictions(space, ["whole-small_cnn-scratch"])
    space.must_run("decision_curves", "report/decision_curves.tsv")
    table = read_table(space.run_folder / "report/decision_curves.tsv", "decision_curves")
    assert table.groupby(["stage", "cohort"]).size().to_dict() == {
        (1, "curated"): 19,
        (1, "hospital"): 19,
        (2, "hospital"): 19,
    }
    path = space.run_folder / "models/whole-small_cnn-scratch/stage2/predictions/hospital.tsv"
    predictions = read_table(path, "predictions").query("split == 'test'")
    patients = predictions.groupby(["patient", "label"])["probability"].mean().reset_index()
    positive, acted = patients["label"] == POSITIVE, patients["probability"] >= 0.2
    wanted = (positive & acted).mean() - (~positive & acted).mean() / 4
    [row] = table.query("stage == 2 and threshold == 0.2").to_dict("records")
    assert row["net_benefit"] == pytest.approx(wanted) and row["n"] == len(patients)


def test_evaluate_ensembles(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    names = ["whole-small_cnn-scratch", "whole-small_cnn-imagenet"]
    space.config["pipelines"] |= {"weights": ["scratch", "imagenet"], "ensembles": {"both": names}}
    space.write_config()
    made_predictions(space, names)
    space.must_run("evaluate_ensembles", "report/ensembles.tsv")
    table = read_table(space.run_folder / "report/ensembles.tsv", "ensembles")
    assert list(zip(table["stage"], table["cohort"], table["unit"], strict=True)) == [
        *[(1, cohort, unit) for cohort in ("curated", "hospital") for unit in ("slice", "patient")],
        *[(2, "hospital", unit) for unit in ("slice", "patient")],
    ]
    ranked = table[table["rank"].notna()]
    assert list(zip(ranked["stage"], ranked["cohort"], strict=True)) == [(1, "curated"), (2, "hospital")]
    assert set(ranked["ranked"]) == {3} and set(ranked["compared_with"]) <= set(names)
    # Two patients of each class decide nothing, so the members weigh equally.
    assert set(table["member_weights"]) == {"0.5000 0.5000"}
    assert table["note"].str.contains("3 are needed").all()
    combined = read_table(space.run_folder / "ensembles/both/stage2/predictions/hospital.tsv", "predictions")
    test = combined[combined["split"] == "test"]
    [row] = table[(table["stage"] == 2) & (table["unit"] == "slice")].to_dict("records")
    assert row["roc_auc"] == pytest.approx(roc_auc_score(test["label"] == POSITIVE, test["probability"]))


def test_evaluate_model(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    slices = made_cohort(space.run_folder, "curated", patients=16, slices=2, size=SIZE)
    split = made_split(space.run_folder, "curated", "whole", slices)
    probability = np.where(split["label"] == POSITIVE, 0.8, 0.3)
    wrong = split.index[(split["split"] == "test") & (split["label"] == POSITIVE)][0]
    probability[wrong] = 0.1
    folder = space.run_folder / MODEL
    for cohort in ("curated", "hospital"):
        write_table(folder / "predictions" / f"{cohort}.tsv", split.assign(probability=probability), "predictions")
    space.must_run("evaluate_model", f"{MODEL}/metrics.json")
    found = read_json(folder / "metrics.json")
    assert [(row["cohort"], row["unit"]) for row in found["rows"]] == [
        ("curated", "slice"),
        ("curated", "patient"),
        ("hospital", "slice"),
        ("hospital", "patient"),
    ]
    row = found["rows"][0]
    assert [row[name] for name in ("n", "tp", "fp", "fn", "tn")] == [8, 3, 0, 1, 4]
    assert (row["accuracy"], row["precision"], row["recall"], row["specificity"]) == (7 / 8, 1.0, 0.75, 1.0)
    assert row["recall_lo"] < 0.75 < row["recall_hi"] == 1.0
    # Patient level: (0.1 + 0.8) / 2 < 0.5.
    assert [found["rows"][1][name] for name in ("n", "tp", "fn")] == [4, 1, 1]
    assert found["pipeline"] == "whole-small_cnn-scratch"
    # Validation has two positive patients at 0.8 and two negative ones at 0.3: the threshold lies halfway.
    assert found["validation"]["cohort"] == "curated"
    thresholds = {one["aggregation"]: one["threshold"] for one in found["validation"]["fitted"]}
    assert thresholds == pytest.approx({"slice": 0.55, "mean": 0.55, "top_k": 0.55, "fraction": 0.5})
    assert len(found["aggregation"]) == 2 * 4 * 2
    assert sum(one["n"] for one in found["reliability"] if one["cohort"] == "hospital") == 8


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
    space.must_reach(f"{space.results}/report/reliability.tsv", "evaluate_model", "evaluation_tables")
    aggregation = read_table(space.run_folder / "report/aggregation.tsv", "aggregation")
    assert len(aggregation) == 3 * 4 * 2  # stage 1 on two cohorts, stage 2 on one
    reliability = read_table(space.run_folder / "report/reliability.tsv", "reliability")
    assert reliability.groupby(["stage", "cohort"])["n"].sum().to_dict() == {
        (1, "curated"): 8,
        (1, "hospital"): 8,
        (2, "hospital"): 8,
    }


@pytest.fixture
def finished(tmp_path: Path) -> Workspace:
    return made_finished_run(tmp_path)


def test_metrics_table(finished: Workspace) -> None:
    finished.must_run("metrics_table", "report/metrics.tsv")
    run = finished.run_folder
    metrics = read_table(run / "report/metrics.tsv", schema="metrics")
    assert list(metrics["pipeline"].unique()) == PIPELINES
    evaluated = metrics[["stage", "cohort", "unit"]].drop_duplicates().to_records(index=False).tolist()
    assert evaluated == [
        (stage, cohort, unit)
        for stage, cohort in ((1, "open"), (1, "clinic"), (2, "clinic"))
        for unit in ("slice", "patient")
    ]
    found = read_json(run / f"models/{PIPELINES[1]}/stage2/metrics.json")["rows"][0]
    row = metrics[(metrics["pipeline"] == PIPELINES[1]) & (metrics["stage"] == 2)].iloc[0]
    assert row["f1"] == pytest.approx(found["f1"])
    assert row["thesis_accuracy"] == 0.9120
    assert row["thesis_recall"] == 0.9207  # printed as precision
    assert set(metrics["weights_origin"]) == {"scratch"}


def test_selection_table(finished: Workspace) -> None:
    run = finished.run_folder
    manifest = read_table(run / "qc/clinic/manifest.tsv", "manifest")
    slices = read_table(run / "cohorts/clinic/slices.tsv", "slices")
    lost = (slices["label"] == POSITIVE) & (slices["z_index"] > 0)
    save_manifest(run, "clinic", manifest.assign(segmented_keep=(~lost).astype(int)))
    finished.must_run("selection_table", "report/selection.tsv")
    table = read_table(run / "report/selection.tsv", "selection")
    assert list(dict.fromkeys(zip(table["cohort"], table["excluded_by"], table["framework"], strict=True))) == [
        (cohort, *step)
        for cohort in ("open", "clinic")
        for step in (("intake", ""), ("quality control", "whole"), ("quality control", "segmented"))
    ]
    row, other = table.query("cohort == 'clinic' and framework == 'segmented'").to_dict("records")
    assert (row["label"], row["n"] - row["kept"], row["excluded"]) == (POSITIVE, lost.sum(), pytest.approx(2 / 3))
    assert (other["excluded"], row["patients_known"]) == (0, 1)
    assert row["p"] < 0.001 and row["p_holm"] == pytest.approx(min(1, 6 * row["p"]))


def test_evaluate(finished: Workspace) -> None:
    tables = ("performance_differences", "evaluate_subgroups", "evaluation_tables", "selection_table", "class_tables")
    finished.must_reach("evaluate", "metrics_table", "decision_curves", *tables)
    made = {path.stem for path in (finished.run_folder / "report").glob("*.tsv")}
    assert {
        "metrics",
        "differences",
        "subgroups",
        "aggregation",
        "reliability",
        "selection",
        "classes",
        "confusion",
        "decision_curves",
    } <= made


def three_class_predictions(space: Workspace, cohort: str, labels: list[str]) -> pd.DataFrame:
    """Predictions of a cohort with these labels, in a run of three classes."""
    rng = np.random.default_rng(len(labels))
    slices = made_cohort(space.run_folder, cohort, patients=24, slices=2, size=SIZE)
    truth = np.arange(len(slices)) // 2 % len(labels)
    slices = slices.assign(label=np.array(labels, dtype=object)[truth])
    p = np.exp(rng.normal(size=(len(slices), 3)))
    p /= p.sum(axis=1, keepdims=True)
    predicted = np.array(THREE, dtype=object)[p.argmax(axis=1)]
    subsets = np.where(np.arange(len(slices)) // 6 % 2, "val", "test")
    table = slices[["slice", "patient", "label"]].assign(split=subsets, predicted=predicted)
    return with_probabilities(table, p)


def three_class_space(folder: Path, **more: dict) -> tuple[Workspace, dict[str, pd.DataFrame]]:
    """A run of three classes with predictions of both stages; the hospital has no CAP."""
    space = workspace(folder)
    space.config |= {"labels": {name: [name] for name in THREE}, **more}
    space.write_config()
    tables = {
        "curated": three_class_predictions(space, "curated", THREE),
        "hospital": three_class_predictions(space, "hospital", ["Covid-19", "Non Covid"]),
    }
    for stage, cohort in ((1, "curated"), (1, "hospital"), (2, "hospital")):
        path = space.run_folder / f"models/whole-small_cnn-scratch/stage{stage}/predictions/{cohort}.tsv"
        write_table(path, tables[cohort], "predictions")
    return space, tables


def test_class_tables(tmp_path: Path) -> None:
    costs = [[0, 50, 50], [1, 0, 1], [1, 1, 0]]
    space, tables = three_class_space(tmp_path, evaluation={"costs": costs}, report={"bootstrap": 20})
    space.must_run("class_tables", "report/classes.tsv")
    classes = read_table(space.run_folder / "report/classes.tsv", "classes")
    confusion = read_table(space.run_folder / "report/confusion.tsv", "confusion")
    key = ["stage", "cohort", "unit", "probabilities"]
    shown = classes[key].drop_duplicates().itertuples(index=False, name=None)
    assert list(shown) == [
        *((1, "curated", unit, "raw") for unit in ("slice", "patient")),
        *((1, "hospital", unit, how) for how in ("raw", "renormalised") for unit in ("slice", "patient")),
        *((2, "hospital", unit, how) for how in ("raw", "renormalised") for unit in ("slice", "patient")),
    ]
    assert list(classes["class"]) == THREE * 10
    test = tables["curated"].query("split == 'test'")
    # To miss a Covid-19 costs fifty: nearly everything is called so.
    p = test[["p_1", "p_2", "p_3"]].to_numpy()
    called = (p @ np.array(costs)).argmin(axis=1)
    assert (called == 0).mean() > 0.5
    counts = confusion.query("stage == 1 and cohort == 'curated' and unit == 'slice'")["n"].to_numpy().reshape(3, 3)
    for true, label in enumerate(THREE):
        assert counts[true].tolist() == [((test["label"] == label) & (called == k)).sum() for k in range(3)]
    row = classes.query("stage == 1 and cohort == 'curated' and unit == 'slice'").iloc[0]
    assert row["sensitivity"] == pytest.approx(counts[0, 0] / counts[0].sum())
    assert row["sensitivity_lo"] <= row["sensitivity"] <= row["sensitivity_hi"]
    validated = classes.groupby(["stage", "unit"])["temperature"].nunique()
    assert (validated == 1).all(), "fitted once, on the cohort of the training"


def test_class_curves(tmp_path: Path) -> None:
    space, tables = three_class_space(tmp_path)
    space.must_run("class_curves", "report/class_curves.tsv")
    table = read_table(space.run_folder / "report/class_curves.tsv", "class_curves")
    assert set(table["cohort"].groupby(table["stage"]).first().items()) == {(1, "curated"), (2, "hospital")}
    assert list(table.query("stage == 2")["class"].unique()) == ["Covid-19", "Non Covid"], "the hospital has no CAP"
    patients = tables["curated"].query("split == 'test'").groupby(["patient", "label"], as_index=False)["p_2"].mean()
    curve = table.query("stage == 1 and curve == 'roc'")
    curve = curve[curve["class"] == "CAP"]
    assert auc(curve["x"], curve["y"]) == pytest.approx(roc_auc_score(patients["label"] == "CAP", patients["p_2"]))


def test_renormalised_metrics(tmp_path: Path) -> None:
    space, tables = three_class_space(tmp_path, report={"bootstrap": 20})
    for stage in (1, 2):
        space.must_run("evaluate_model", f"models/whole-small_cnn-scratch/stage{stage}/metrics.json")
    space.must_run("renormalised_metrics", "report/renormalised.tsv")
    table = read_table(space.run_folder / "report/renormalised.tsv", "renormalised")
    assert list(table[["stage", "cohort", "unit"]].itertuples(index=False, name=None)) == [
        (stage, "hospital", unit) for stage in (1, 2) for unit in ("slice", "patient")
    ]
    test = tables["hospital"].query("split == 'test'")
    score = test["p_1"] / (test["p_1"] + test["p_3"])
    assert table.loc[0, "roc_auc"] == pytest.approx(roc_auc_score(test["label"] == "Covid-19", score))
    assert table.loc[0, "hand_till"] == pytest.approx(table.loc[0, "roc_auc"])
    space.run_folder.joinpath("report/renormalised.tsv").unlink()
    path = space.run_folder / "models/whole-small_cnn-scratch/stage1/predictions/curated.tsv"
    write_table(path, tables["curated"].drop(columns="p_3"), "predictions")
    done = space.run_rule("evaluate_model", "models/whole-small_cnn-scratch/stage1/metrics.json")
    assert done.returncode != 0 and "column p_3 is missing; labels has 3 classes" in done.stdout
