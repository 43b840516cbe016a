"""Test the workflow on tables of the thesis's size: the number of jobs, and which jobs an edit runs again.

No program runs: benchmarks/scale.py makes empty scans and empty results. Time and memory are measured there.
"""

import csv
from pathlib import Path

import pytest

from benchmarks.scale import NEGATIVE, THESIS, Scale, make_series

pytestmark = pytest.mark.long


def test_the_thesis_needs_at_most_400_jobs(tmp_path):
    assert sum(Scale(tmp_path, THESIS).jobs().values()) <= 400


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Scale:
    """Finish a run on a tenth of the thesis's data, with four shards in every cohort."""
    scale = Scale(tmp_path_factory.mktemp("scale"), THESIS.part(0.1))
    for cohort in scale.config["cohorts"].values():
        cohort["shards"] = 4
    scale.write_config(scale.config)
    scale.finish()
    return scale


def edited(path: Path, old: str, new: str):
    """Replace `old` once; return a function that undoes it."""
    before = path.read_text(encoding="utf-8")
    assert old in before
    path.write_text(before.replace(old, new, 1), encoding="utf-8")
    return lambda: path.write_text(before, encoding="utf-8")


def test_a_finished_run_has_nothing_to_do(finished):
    assert finished.jobs() == {}


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("workflow-copy/workflow/rules/training.smk", "rule train_stage:\n", "rule train_stage:\n    # a comment\n"),
        ("workflow-copy/workflow/rules/intake.smk", "    threads: 1\n", "    threads: 1  # a comment\n"),
        ("workflow-copy/workflow/scripts/train_stage.py", "\ndef main", "\n# a comment\ndef main"),
        ("workflow-copy/workflow/scripts/lungsight/tables.py", '"""', '"""Another sentence. '),
        ("config.yaml", "results:", "# a comment\nresults:"),
    ],
)
def test_a_comment_runs_nothing_again(finished, path, old, new):
    undo = edited(finished.folder / path, old, new)
    try:
        assert finished.jobs() == {}
    finally:
        undo()


def test_the_time_of_a_file_of_the_workflow_runs_nothing_again(finished):
    for path in finished.workflow.rglob("*.py"):
        path.touch()
    assert finished.jobs() == {}


def test_one_more_patient_runs_one_shard_and_what_depends_on_it(finished):
    make_series(finished.folder / "data" / "hospital" / "scan-new", 80)
    table = finished.folder / "hospital.tsv"
    with open(table, encoding="utf-8", newline="") as file:
        first = next(csv.DictReader(file, delimiter="\t"))
    row = "\t".join((first | {"patient": "new", "path": "scan-new", "label": NEGATIVE}).values())
    undo = edited(table, "\n", f"\n{row}\n")
    try:
        jobs = finished.jobs()
    finally:
        undo()
    assert jobs["convert"] == 1
    assert jobs["gather_cohort"] == 1
    assert jobs["segment_shard"] == 1
    assert jobs["image_cache"] == jobs["image_index"] == 1
    assert not {"convert_annotated", "nnunet_prepare", "nnunet_train", "imagenet_weights"} & set(jobs)
    assert jobs["train_stage"] == 8, "stage 2 of each pipeline, and no stage 1"


def test_an_explanation_setting_does_not_retrain(finished):
    config = finished.config
    finished.write_config(config | {"explain": {"margin_mm": 3}})
    try:
        jobs = finished.jobs()
    finally:
        finished.write_config(config)
    assert jobs["explain_stage"] == 16
    assert not {"train_stage", "nnunet_train", "infer_cohort", "image_cache", "make_split", "convert"} & set(jobs)
