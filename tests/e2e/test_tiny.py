"""Run the whole workflow on tiny phantoms: every room, two small pipelines, both stages."""

import csv
import getpass
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import accuracy_score, roc_auc_score

from lungsight.config_check import complete_config
from lungsight.demo.cohort import cohort_table, phantom_of
from lungsight.files import read_json
from lungsight.tables import read_table
from tests.factories.workspace import ROOT, Workspace
from tools.check_package import problems_of

POSITIVE = "Covid-19"
CONFIG = {
    "cohorts": {
        "nsclc": {"role": "segmentation", "format": "dicom", "phantom": {"seed": 1, "patients": 5, "slices": 8}},
        "curated": {"role": "public", "format": "png", "phantom": {"seed": 2, "patients": 16, "slices": 3}},
        "hospital": {
            **{"role": "target", "format": "dicom", "shards": 2},
            "phantom": {"seed": 3, "patients": 16, "slices": 8, "scanner": "beta"},
        },
    },
    "intake": {"png_size": 96},
    "segmentation": {
        **{"fractions": [0.6, 0.2, 0.2], "batch_size": 4, "epochs": 4, "iterations": 40, "validation_iterations": 2},
        **{"learning_rate": 3e-3, "max_features": 16, "threads": 1},
    },
    "splits": {"fractions": [0.5, 0.2, 0.3]},
    "pipelines": {"frameworks": ["whole", "segmented"], "backbones": ["small_cnn"], "weights": ["scratch"]},
    "training": {
        **{"image_size": 64, "batch_size": 8, "epochs": {"stage1": 3, "stage2": 3}, "batch_norm_momentum": 0.8},
        **{"learning_rate": {"stage1": 1e-3, "stage2": 1e-3}, "head_units": 16, "threads": 1},
    },
    "explain": {"threads": 1, "overlays": 1, "sample": 4},
    "audit": {"sample": 4, "randomisations": 1, "steps": 4, "making_sample": 4},
    "leakage": {"pipelines": []},  # the demo runs it, and its rules have their own tests
    "report": {"bootstrap": 200},
}


def write_phantom_tables(workspace: Workspace) -> None:
    """Write the cohort tables of this config, as tools/demo_tables.py does for the demo."""
    filled = complete_config({"results": workspace.results} | workspace.config)
    for name, cohort in filled["cohorts"].items():
        rows = cohort_table(name, cohort)
        with open(workspace.folder / cohort["table"], "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]), delimiter="\t")
            writer.writeheader()
            writer.writerows(rows)


def tiny_workspace(folder: Path) -> Workspace:
    """Make a workspace that holds only the tables of the tiny phantoms."""
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    for name, cohort in config["cohorts"].items():
        cohort |= {"root": f"phantoms/{name}", "table": f"{name}.tsv"}
        cohort["phantom"]["matrix"] = 96
    workspace = Workspace(folder, config)
    write_phantom_tables(workspace)
    return workspace


def tiny_under_the_same_key(folder: Path, other: Workspace) -> Workspace:
    """Make the folder and a tiny workspace in it, with the pseudonym key of another run."""
    folder.mkdir()
    workspace = tiny_workspace(folder)
    workspace.private_folder.mkdir(parents=True, mode=0o700)
    shutil.copy2(other.private_folder / "key", workspace.private_folder / "key")
    return workspace


def report_tables(workspace: Workspace) -> dict[str, bytes]:
    """Read the report's tables: name → content."""
    return {path.name: path.read_bytes() for path in sorted((workspace.run_folder / "report").glob("*.tsv"))}


def table_at(workspace: Workspace, path: str, schema: str):
    return read_table(workspace.run_folder / path, schema)


def test_every_case_has_its_row(tiny):
    for cohort, rows in (("nsclc", 5), ("curated", 48), ("hospital", 16)):
        cases = table_at(tiny, f"cohorts/{cohort}/cases.tsv", "cases")
        assert list(cases["row"]) == list(range(1, rows + 1))
        assert set(cases["status"]) == {"ok"}, cases[["row", "reason"]]
    assert len(table_at(tiny, "cohorts/hospital/slices.tsv", "slices")) == 16 * 8


def test_lungs_are_found_on_test_patients(tiny):
    metrics = table_at(tiny, "segmentation/metrics.tsv", "segmentation_metrics")
    assert set(metrics["split"]) == {"train", "val", "test"}
    assert metrics.loc[metrics["split"] == "test", "dice"].min() > 0.8


def test_a_patient_is_in_one_subset_in_both_input_views(tiny):
    for cohort in ("curated", "hospital"):
        subsets = {}
        for view in ("whole", "segmented"):
            split = table_at(tiny, f"splits/{cohort}/{view}.tsv", "split")
            for patient, subset in zip(split["patient"], split["split"], strict=True):
                assert subsets.setdefault(patient, subset) == subset
            assert set(split["split"]) == {"train", "val", "test"}


def test_metrics_follow_from_the_predictions_alone(tiny):
    metrics = table_at(tiny, "report/metrics.tsv", "metrics")
    assert len(metrics) == 2 * (2 + 1) * 2  # pipelines × (stage 1 on two cohorts, stage 2 on one) × units
    for row in metrics.itertuples():
        path = f"models/{row.pipeline}/stage{row.stage}/predictions/{row.cohort}.tsv"
        table = table_at(tiny, path, "predictions")
        table = table[table["split"] == "test"]
        if row.unit == "patient":
            table = table.groupby(["patient", "label"], as_index=False)["probability"].mean()
        truth = table["label"] == POSITIVE
        assert row.n == len(table)
        assert row.accuracy == pytest.approx(accuracy_score(truth, table["probability"] >= 0.5), abs=1e-12)
        assert row.roc_auc == pytest.approx(roc_auc_score(truth, table["probability"]), abs=1e-12)


def test_predictions_cover_the_split(tiny):
    for view in ("whole", "segmented"):
        for stage, cohort in ((1, "curated"), (1, "hospital"), (2, "hospital")):
            path = f"models/{view}-small_cnn-scratch/stage{stage}/predictions/{cohort}.tsv"
            split = table_at(tiny, f"splits/{cohort}/{view}.tsv", "split")
            predictions = table_at(tiny, path, "predictions")
            assert list(predictions["slice"]) == list(split["slice"])
            assert list(predictions["split"]) == list(split["split"])


def test_saliency_has_a_row_for_every_test_slice(tiny):
    for view in ("whole", "segmented"):
        for stage, cohort in ((1, "curated"), (2, "hospital")):
            folder = f"explain/{view}-small_cnn-scratch/stage{stage}"
            saliency = table_at(tiny, f"{folder}/saliency.tsv", "saliency")
            split = table_at(tiny, f"splits/{cohort}/{view}.tsv", "split")
            assert list(saliency["slice"]) == list(split.loc[split["split"] == "test", "slice"])
            with np.load(tiny.run_folder / folder / "maps.npz", allow_pickle=False) as maps:
                assert list(maps["slices"]) == list(saliency["slice"])
                assert maps["maps"].dtype == np.float32
                assert maps["maps"].min() >= 0
            some = saliency[saliency["empty"] == 0]
            expected = some["lung_mass"] / some["lung_fraction"]
            np.testing.assert_allclose(some["enrichment"], expected, rtol=1e-6)


def test_lesions_are_those_of_the_phantoms(tiny):
    """Check every test slice; slices of healthy patients have empty lesion masks."""
    cohort = complete_config({"results": tiny.results} | tiny.config)["cohorts"]["hospital"]
    rows = table_at(tiny, "cohorts/hospital/cases.tsv", "cases").set_index("case")["row"]
    slices = table_at(tiny, "cohorts/hospital/slices.tsv", "slices").set_index("slice")
    phantoms = {case: phantom_of(row - 1, cohort) for case, row in rows.items()}
    folder = "explain/whole-small_cnn-scratch/stage2"
    saliency = table_at(tiny, f"{folder}/saliency.tsv", "saliency")
    own = slices.loc[saliency["slice"]]
    true = [phantoms[row.case].lesion[:, :, row.z_index].mean() for row in own.itertuples()]
    np.testing.assert_allclose(saliency["lesion_fraction"], true, atol=2e-3)  # 96 pixels became 64
    shown = saliency[(saliency["lesion_fraction"] > 0) & (saliency["reason"] == "")]
    assert 0 < len(shown) < len(saliency) and shown["lesion_mass"].notna().all()
    (overall, *_) = read_json(tiny.run_folder / folder / "summary.json")["methods"][0]["lesions"]["outcomes"]
    assert overall["lesion_enrichment"] == pytest.approx(shown["lesion_enrichment"].mean())
    assert 'id="lesions"' in (tiny.run_folder / "report" / "index.html").read_text(encoding="utf-8")


def test_report_stands_alone(tiny):
    page = (tiny.run_folder / "report" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", page)
    assert "phantom" in page.lower()
    assert "whole-small_cnn-scratch" in page


def identifying(tiny) -> list[re.Pattern[bytes]]:
    """Patterns of patient ids, names and paths of the phantoms."""
    with open(tiny.folder / "hospital.tsv", encoding="utf-8") as file:
        words = {row["patient"] for row in csv.DictReader(file, delimiter="\t")}
    patterns = [re.compile(rf"\b{re.escape(word)}\b".encode()) for word in words]
    return [*patterns, re.compile(rb"PHANTOM\^"), re.compile(re.escape(str(tiny.folder)).encode())]


def test_nothing_identifying_leaves(tiny):
    """Search all results for patient ids, names and paths of the phantoms."""
    patterns = identifying(tiny)
    for path in tiny.run_folder.rglob("*"):
        if path.is_file() and path.suffix in {".tsv", ".json", ".html", ".log", ".txt"}:
            content = path.read_bytes()
            for pattern in patterns:
                assert not pattern.search(content), f"{pattern.pattern} in {path.relative_to(tiny.run_folder)}"
    assert (tiny.private_folder.stat().st_mode & 0o777) == 0o700


@pytest.fixture(scope="module")
def package(tiny) -> Path:
    """The run as a package, made by the command of the documentation."""
    done = tiny.snakemake("--cores", "2", "--show-failed-logs", "package")
    assert done.returncode == 0, done.stdout[-3000:]
    return tiny.folder / f"{tiny.results}.crate.zip"


def test_the_package_follows_by_the_check_that_is_in_it(package, tmp_path):
    """As its readme says: from the zip file itself, with the path of nothing else."""
    done = subprocess.run(
        [sys.executable, "-m", "lungsight.verify", str(package)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{package}/workflow/scripts"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    # 12 rows of a threshold, 5 counts, and 9 metrics with two ends each.
    assert f"report/metrics.tsv: {12 * (1 + 5 + 9 * 3)} compared, all follow" in done.stdout, done.stdout


def test_the_package_is_valid_by_the_reference_validators(package):
    assert list(chain(*problems_of(package).values())) == []


def test_nothing_identifying_is_in_the_package(tiny, package):
    patterns = identifying(tiny) + [
        re.compile(re.escape(word).encode()) for word in (getpass.getuser() + "@", "/home/")
    ]
    patterns += [re.compile(re.escape(os.path.relpath(ROOT, tiny.folder)).encode()), re.compile(rb"phantoms/")]
    with zipfile.ZipFile(package) as archive:
        names = archive.namelist()
        run = [name for name in names if not name.startswith("workflow/")]
        found = [(name, p.pattern) for name in run for p in patterns if p.search(name.encode() + archive.read(name))]
    assert found == []
    assert [name for name in names if name.endswith((".png", ".npz", ".npy", ".gz", ".keras", ".log", ".html"))] == []


def test_jobs_of_the_run_are_in_the_package_with_their_times(package):
    with zipfile.ZipFile(package) as archive:
        jobs = pd.read_csv(io.BytesIO(archive.read("jobs.tsv")), sep="\t")
    trained = jobs[jobs["rule"] == "train_stage"]
    assert len(trained) == 4 and (trained["seconds"] > 0).all() and (trained["start"] < trained["end"]).all()
    assert jobs["start"].is_monotonic_increasing


def test_a_second_run_does_nothing(tiny):
    done = tiny.snakemake("--cores", "2", "-n", "all")
    assert "Nothing to be done" in done.stdout, done.stdout[-3000:]


def test_what_was_made_ahead_is_what_its_own_job_makes(tiny):
    """The process of a training made predictions, maps and audit ahead; their own jobs make the same, to the byte."""
    name = "whole-small_cnn-scratch/stage2"
    tables = {"explain_stage": "saliency.tsv", "audit_stage": "intervention_logits.tsv"}
    made = {rule: tiny.run_folder / "explain" / name / table for rule, table in tables.items()}
    made["infer_cohort"] = tiny.run_folder / "models" / name / "predictions" / "hospital.tsv"
    logs = {rule: tiny.run_folder / "logs" / rule / f"{name}.log" for rule in tables}
    assert [log.read_text(encoding="utf-8") for log in logs.values()] == ["", ""], "the jobs took what was there"
    before = {path: path.read_bytes() for file in made.values() for path in file.parent.glob("*.tsv")}
    targets = [f"{path.relative_to(tiny.folder)}" for path in made.values()]
    assert not (tiny.run_folder / "training" / "ahead").exists(), "a finished run needs no store"
    for path in made.values():
        path.unlink()
    done = tiny.snakemake("--cores", "2", "--show-failed-logs", "--", *targets)
    assert done.returncode == 0, done.stdout[-6000:]
    assert " batches in " in logs["explain_stage"].read_text(encoding="utf-8"), "this time it worked by itself"
    assert {path: path.read_bytes() for path in before} == before
    done = tiny.snakemake("--cores", "2", "all")
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_deleted_table_is_made_again_the_same(tiny):
    path = tiny.run_folder / "report" / "metrics.tsv"
    before = path.read_bytes()
    path.unlink()
    done = tiny.snakemake("--cores", "2", "all")
    assert done.returncode == 0, done.stdout[-3000:]
    assert path.read_bytes() == before


def test_an_explanation_setting_does_not_retrain(tiny):
    workspace = Workspace(tiny.folder, tiny.config | {"explain": {"threads": 1, "overlays": 1, "sample": 5}})
    try:
        done = workspace.snakemake("--cores", "2", "-n", "all")
    finally:
        tiny.write_config()
    assert "explain_stage" in done.stdout
    assert not re.search(r"^\w*train\w*\s+\d+$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.long
def test_two_runs_under_one_key_agree(tiny, tmp_path):
    """With the same key, config and machine, the report's tables are equal to the byte."""
    workspace = tiny_under_the_same_key(tmp_path / "again", tiny)
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "all")
    assert done.returncode == 0, done.stdout[-8000:]
    assert {"metrics.tsv", "saliency.tsv", "leakage.tsv"} <= set(report_tables(tiny))
    assert report_tables(workspace) == report_tables(tiny)
