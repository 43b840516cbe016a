"""What a process makes ahead is taken by the very same job, and by no other."""

import json
import sys
from pathlib import Path

import pytest

from lungsight import ahead

# A program as those of the workflow, that needs neither TensorFlow nor a network.
PROGRAM = """
import argparse
from pathlib import Path


def main():
    arguments = argparse.ArgumentParser()
    for name in ("--model", "--split", "--predictions", "--explanation", "--settings"):
        arguments.add_argument(name)
    args = arguments.parse_args()
    if args.settings == "bad":
        raise ValueError("no such setting")
    model = Path(args.model)
    text = (model / "model.keras").read_text() + args.settings
    if args.predictions:
        Path(args.predictions).write_text(text + Path(args.split).read_text())
    else:
        text += (model / "predictions" / "c.tsv").read_text()
        (Path(args.explanation) / "saliency.tsv").write_text(text)
"""
RUN = Path("results/r")
MODEL = "results/r/models/whole-net-scratch/stage1"
EXPLANATION = "results/r/explain/whole-net-scratch/stage1"
PREDICTIONS = f"{MODEL}/predictions/c.tsv"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run with a trained model, and the two programs that work on it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("infer_cohort", "explain_stage"):
        (tmp_path / f"{name}.py").write_text(PROGRAM, encoding="utf-8")
        sys.modules.pop(name, None)
    Path(MODEL).mkdir(parents=True)
    for name in ("model.keras", "provenance.json"):
        Path(MODEL, name).write_text(f"<{name}>", encoding="utf-8")
    Path("split.tsv").write_text("<split>", encoding="utf-8")
    yield
    for name in ("infer_cohort", "explain_stage"):
        sys.modules.pop(name, None)


def infer(settings: str = "5") -> dict:
    arguments = ["--model", MODEL, "--split", "split.tsv", "--settings", settings, "--predictions", PREDICTIONS]
    inputs = [f"{MODEL}/model.keras", f"{MODEL}/provenance.json", "split.tsv"]
    return {"program": "infer_cohort", "arguments": arguments, "inputs": inputs, "code": "abc"}


def explain(settings: str = "7") -> dict:
    arguments = ["--model", MODEL, "--settings", settings, "--explanation", EXPLANATION]
    return {
        **{"program": "explain_stage", "arguments": arguments, "code": "def"},
        "inputs": [f"{MODEL}/model.keras", PREDICTIONS],
    }


def started(monkeypatch: pytest.MonkeyPatch, task: dict) -> dict | None:
    """Return what the program of a job takes when it starts."""
    monkeypatch.setattr(sys, "argv", [f"scripts/{task['program']}.py", *task["arguments"]])
    return ahead.take()


def test_a_job_takes_what_was_made_ahead_with_what_it_was_made_with(run, monkeypatch):
    ahead.write_tasks(RUN, [explain(), infer()])
    ahead.work_ahead(Path(MODEL), None)
    assert not Path(PREDICTIONS).exists(), "the file belongs to its own job, which has not begun"
    versions = started(monkeypatch, infer())
    assert versions is not None and versions["python"] == ".".join(map(str, sys.version_info[:2]))
    assert Path(PREDICTIONS).read_text() == "<model.keras>5<split>"
    assert started(monkeypatch, explain()) is not None
    assert Path(EXPLANATION, "saliency.tsv").read_text() == "<model.keras>7<model.keras>5<split>"
    assert [path.name for path in Path(EXPLANATION).iterdir()] == ["saliency.tsv"]
    assert started(monkeypatch, explain()) is None, "what was taken is there no more"


def test_outputs_are_younger_than_what_a_job_waited_for(run, monkeypatch):
    ahead.write_tasks(RUN, [infer()])
    ahead.work_ahead(Path(MODEL), None)
    later = Path("later")
    later.touch()
    started(monkeypatch, infer())
    assert Path(PREDICTIONS).stat().st_mtime_ns >= later.stat().st_mtime_ns


def test_a_large_model_that_snakemake_touched_is_the_same(run, monkeypatch):
    """When a job ends, Snakemake sets the times of its outputs anew."""
    Path(MODEL, "model.keras").write_text("w" * (20 << 20), encoding="utf-8")
    ahead.write_tasks(RUN, [infer()])
    ahead.work_ahead(Path(MODEL), None)
    Path(MODEL, "model.keras").touch()
    assert started(monkeypatch, infer()) is not None


@pytest.mark.parametrize("change", ["words", "code", "file", "same size", "folder", "no list"])
def test_a_job_that_is_another_by_anything_works_by_itself(run, monkeypatch, change):
    Path("masks").mkdir()
    due = infer() | {"inputs": [*infer()["inputs"], "masks"]}
    ahead.write_tasks(RUN, [due])
    ahead.work_ahead(Path(MODEL), None)
    assert (RUN / ahead.STORE / "made").is_dir()
    job = infer("6") if change == "words" else due
    if change in ("words", "code"):
        ahead.write_tasks(RUN, [job | {"code": "new" if change == "code" else "abc"}])
    elif change == "file":
        Path("split.tsv").write_text("<another split>", encoding="utf-8")
    elif change == "folder":
        Path("masks", "another.nii.gz").touch()
    elif change == "same size":
        Path(MODEL, "model.keras").write_text("<model.KERAS>", encoding="utf-8")
    else:
        (RUN / ahead.STORE / ahead.TASKS).unlink()
    assert started(monkeypatch, job) is None
    assert not Path(PREDICTIONS).exists()


def test_predictions_that_differ_from_those_made_ahead_make_the_maps_anew(run, monkeypatch):
    ahead.write_tasks(RUN, [infer(), explain()])
    ahead.work_ahead(Path(MODEL), None)
    started(monkeypatch, infer())
    Path(PREDICTIONS).write_text("others", encoding="utf-8")
    assert started(monkeypatch, explain()) is None


def test_what_needs_a_file_that_is_not_there_waits_for_its_own_job(run, monkeypatch):
    Path("split.tsv").unlink()
    ahead.write_tasks(RUN, [infer(), explain()])
    ahead.work_ahead(Path(MODEL), None)
    Path("split.tsv").write_text("<split>", encoding="utf-8")
    assert started(monkeypatch, infer()) is None
    assert started(monkeypatch, explain()) is None


def test_a_failure_ahead_is_no_failure(run, monkeypatch, capsys):
    ahead.write_tasks(RUN, [infer("bad"), explain()])
    words = list(sys.argv)
    ahead.work_ahead(Path(MODEL), None)
    assert sys.argv == words
    assert "infer_cohort cannot be done ahead; its own job will say why." in capsys.readouterr().err
    assert started(monkeypatch, infer("bad")) is None


def test_nothing_is_done_ahead_where_no_job_is_due(run):
    ahead.work_ahead(Path(MODEL), None)
    ahead.write_tasks(RUN, [infer() | {"arguments": ["--model", "results/r/models/other/stage1"]}])
    ahead.work_ahead(Path(MODEL), None)
    assert "infer_cohort" not in sys.modules


def test_the_network_in_memory_is_that_of_the_file_alone(run):
    network = object()
    ahead.write_tasks(RUN, [])
    ahead.work_ahead(Path(MODEL), network)
    assert ahead.network_of(Path(MODEL, "model.keras")) is network
    Path("link.keras").symlink_to(Path(MODEL, "model.keras").absolute())
    assert ahead.network_of(Path("link.keras")) is network
    assert ahead.network_of(Path(MODEL, "provenance.json")) is None


def test_the_list_names_the_jobs_of_each_model(run):
    ahead.write_tasks(RUN, [explain(), infer()])
    assert list(json.loads((RUN / ahead.STORE / ahead.TASKS).read_text())) == [MODEL]
    assert [task["program"] for task in ahead.read_tasks(Path(MODEL))] == ["infer_cohort", "explain_stage"]
    ahead.forget(RUN)
    assert ahead.read_tasks(Path(MODEL)) == []
