"""A cohort with role external, from its kept slices to its metrics and its place in the report: only tested."""

import re

import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from lungsight.config_check import complete_config
from lungsight.files import read_json
from lungsight.tables import read_table
from tests.factories.run import REPORT_RULES, made_run, made_workspace
from tests.factories.tables import POSITIVE, made_cohort, made_manifest

MODEL = "models/whole-small_cnn-scratch"
RULES = ("check_split", "make_split", "image_cache", "image_index", "train_stage", "infer_cohort", "evaluate_model")


@pytest.mark.long
def test_an_external_cohort_is_predicted_and_evaluated_by_both_stages(tmp_path):
    roles = {"curated": "public", "hospital": "target", "abroad": "external"}
    head = {"head_units": 4, "image_size": 32, "batch_size": 8, "epochs": {"stage1": 1, "stage2": 1}, "threads": 1}
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    workspace = made_workspace(tmp_path, roles, pipelines=pipelines, training=head, report={"bootstrap": 50})
    for seed, name in enumerate(roles):
        patients = 4 if name == "abroad" else 8  # three and fewer of a class are enough where nothing is trained
        made_manifest(workspace.run_folder, name, made_cohort(workspace.run_folder, name, patients, 2, 48, seed))
        rows = [f"P{n}\tone\t{('Covid-19', 'Non Covid')[n % 2]}" for n in range(patients)]
        for number in range(patients):
            (tmp_path / "data" / name / str(number)).mkdir()
        rows = [row.replace("one", str(number)) for number, row in enumerate(rows)]
        (tmp_path / f"{name}.tsv").write_text("\n".join(["patient\tpath\tlabel", *rows]) + "\n")
    predictions = [f"{MODEL}/stage{stage}/predictions/abroad.tsv" for stage in (1, 2)]
    targets = [f"{workspace.results}/{path}" for path in (*predictions, f"{MODEL}/stage2/metrics.json")]
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *RULES, "--", *targets)
    assert done.returncode == 0, done.stdout[-6000:]

    split = read_table(workspace.run_folder / "splits/abroad/whole.tsv", "split")
    assert set(split["split"]) == {"test"} and len(split) == 8
    first, second = (read_table(workspace.run_folder / path, "predictions") for path in predictions)
    assert first["slice"].tolist() == second["slice"].tolist() == split["slice"].tolist()
    assert first["probability"].tolist() != second["probability"].tolist()
    metrics = read_json(workspace.run_folder / MODEL / "stage2/metrics.json")
    rows = [(row["cohort"], row["unit"], row["n"]) for row in metrics["rows"]]
    assert [row for row in rows if row[0] == "abroad"] == [("abroad", "slice", 8), ("abroad", "patient", 4)]
    provenance = read_json(workspace.run_folder / MODEL / "stage2/provenance.json")
    assert "abroad" not in str(provenance)
    assert provenance["images"]["train"] == pytest.approx(0.6 * 16, abs=4)


def test_an_external_cohort_reaches_the_report(tmp_path):
    """Its rows in metrics.tsv follow from its predictions alone, and the page shows and names it as external."""
    roles = {"open": "public", "clinic": "target", "abroad": "external"}
    workspace = made_workspace(
        tmp_path,
        roles,
        pipelines={"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"]},
        segmentation={"method": "classical"},
        explain={"overlays": 1},
        report={"bootstrap": 50},
    )
    run = workspace.run_folder
    made_run(run, complete_config({"results": workspace.results} | workspace.config), patients=24)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *REPORT_RULES, "--", "report")
    assert done.returncode == 0, done.stdout[-6000:]

    metrics = read_table(run / "report/metrics.tsv", schema="metrics").query("cohort == 'abroad'")
    assert list(zip(metrics["stage"], metrics["unit"], strict=True)) == [
        (stage, unit) for stage in (1, 2) for unit in ("slice", "patient")
    ]
    for row in metrics.itertuples():
        path = run / f"models/{row.pipeline}/stage{row.stage}/predictions/abroad.tsv"
        table = read_table(path, "predictions").query("split == 'test'")
        if row.unit == "patient":
            table = table.groupby(["patient", "label"], as_index=False)["probability"].mean()
        truth = table["label"] == POSITIVE
        assert row.n == len(table)
        assert row.roc_auc == pytest.approx(roc_auc_score(truth, table["probability"]), abs=1e-12)
        assert row.accuracy == pytest.approx(accuracy_score(truth, table["probability"] >= 0.5), abs=1e-12)
        assert row.roc_auc_lo <= row.roc_auc <= row.roc_auc_hi

    page = (run / "report/index.html").read_text(encoding="utf-8")
    for stage in (1, 2):
        # The text of a chart names the model too; the table behind it says what the cohort is.
        places = [found.start() for found in re.finditer(f"stage {stage} on abroad", page)]
        at = next(place for place in places if "external" in re.sub(r"<[^>]+>", " ", page[place : place + 600]))
        shown = metrics[(metrics["stage"] == stage) & (metrics["unit"] == "patient")].iloc[0]
        assert f"{shown['roc_auc']:.2f}" in page[at : at + 20000]
