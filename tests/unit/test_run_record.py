"""The record of a run: whose study it is, its key, and the times of its files."""

import base64
import os
import shutil
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.file_stamps import stamp_of_files
from lungsight.privacy import key_of
from lungsight.run_record import TIMESTAMP, RunRecord, Study

CONFIG = {"results": "results/x", "seed": 1, "cohorts": {"a": {"root": "a"}}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ended, with two files and a folder, made in this order."""
    project = tmp_path / "project"
    (project / "results/x/folder").mkdir(parents=True)
    monkeypatch.chdir(project)
    record = RunRecord.read("results/x")
    record.begin(Study.of(CONFIG, ["one.yaml"]), Path("results/x.private/key"))
    for seconds, name in enumerate(("first", f"folder/{TIMESTAMP}", "last"), start=1_000):
        (project / "results/x" / name).write_text(name)
        os.utime(project / "results/x" / name, (seconds, seconds))
    record.end(["results/x/first", "results/x/folder", "results/x/last", "results/x/absent", "elsewhere"])
    return project


def times(project: Path) -> list[float]:
    return [(project / "results/x" / name).stat().st_mtime for name in ("first", f"folder/{TIMESTAMP}", "last")]


def test_a_copy_gets_its_times_back_once(run, tmp_path, monkeypatch):
    assert not RunRecord.read("results/x").is_copied()
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, tmp_path / "copy", copy_function=shutil.copyfile)  # as cp -r: every file has a new time
    monkeypatch.chdir(tmp_path / "copy")
    record = RunRecord.read("results/x")
    assert record.is_copied() and times(tmp_path / "copy") != [1_000, 1_001, 1_002]
    record.restore_times()
    assert times(tmp_path / "copy") == [1_000, 1_001, 1_002]
    assert not RunRecord.read("results/x").is_copied()


def test_times_of_a_run_that_was_killed_are_unknown(run):
    record = RunRecord.read("results/x")
    record.begin(Study.of(CONFIG, ["one.yaml"]), Path("results/x.private/key"))
    assert RunRecord.read("results/x").times == {}
    record.end([])
    assert set(RunRecord.read("results/x").times) == {"first", "folder", "last"}, "of earlier runs"


def test_scans_of_a_copy_are_the_same_by_name_and_size(run):
    scan = run / "scan"
    scan.write_text("12345")
    record = RunRecord.read("results/x")

    def stamp() -> str:
        return record.stamp_of("a/000", [stamp_of_files(run, ["scan"])])

    first = stamp()
    os.utime(scan, (5, 5))
    second = stamp()
    assert second != first, "another time may be another scan"
    record.restore_times()
    os.utime(scan, (6, 6))
    assert stamp() == second
    os.utime(scan, (7, 7))
    assert stamp() != second, "once"
    record.restore_times()
    scan.write_text("123456")
    assert stamp() != second


def test_the_results_of_another_study_are_not_replaced(run):
    record = RunRecord.read("results/x")
    record.check_study(Study.of(CONFIG | {"seed": 2}, ["one.yaml"]))  # the same config, edited
    record.check_study(Study.of(CONFIG | {"results": "y"}, ["renamed.yaml"]))
    with pytest.raises(UserError, match=r"results/x holds the run of another config \(one.yaml\)"):
        record.check_study(Study.of(CONFIG | {"seed": 2}, ["two.yaml"]))
    shutil.rmtree(run / "results/x")
    record.check_study(Study.of(CONFIG | {"seed": 2}, ["two.yaml"]))


def test_another_key_is_refused(run):
    key, cases = run / "results/x.private/key", run / "results/x/cohorts/a/shards/000/cases.tsv"
    cases.parent.mkdir(parents=True)
    cases.touch()
    record = RunRecord.read("results/x")
    assert record.check_key(key) == ""
    key.chmod(0o640)
    assert "mode 640" in record.check_key(key)
    key.unlink()
    with pytest.raises(UserError, match="is gone"):
        record.check_key(key)
    key_of(key)
    with pytest.raises(UserError, match="is not the key that this run began with"):
        record.check_key(key)
    shutil.rmtree(run / "results/x.private")
    with pytest.raises(UserError, match="is gone"):
        RunRecord.read("results/x").check_key(key)
    shutil.rmtree(run / "results/x")
    assert RunRecord.read("results/x").check_key(key) == "", "a run that begins"


def test_a_run_whose_origin_snakemake_does_not_know_is_refused(run):
    """Its .snakemake is gone, or knows other files: those of another folder, or of this one under another name."""
    metadata = run / ".snakemake/metadata"
    with pytest.raises(
        UserError, match=r"What results/x was made from is not known here.*delete results/x.private/run"
    ):
        RunRecord.read("results/x").check_origin(metadata)
    metadata.mkdir(parents=True)
    (metadata / base64.urlsafe_b64encode(b"results/y/last").decode()).touch()
    with pytest.raises(UserError, match="is not known here"):
        RunRecord.read("results/x").check_origin(metadata)
    (metadata / base64.urlsafe_b64encode(b"results/x/last").decode()).touch()
    RunRecord.read("results/x").check_origin(metadata)
    RunRecord.read("results/new").check_origin(metadata)


@pytest.mark.parametrize("content", ["", "{}", "[]", "nothing"])
def test_a_damaged_record_is_a_sentence(run, content):
    (run / "results/x.private/run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json is damaged"):
        RunRecord.read("results/x")


def test_a_key_that_is_no_file_is_refused(run):
    key = run / "results/x.private/key"
    key.unlink()
    key.symlink_to("nowhere")
    with pytest.raises(UserError, match="is no file"):
        RunRecord.read("results/x").check_key(key)
    key.unlink()
    key.mkdir()
    with pytest.raises(UserError, match="is no file"):
        RunRecord.read("results/x").check_key(key)


def test_a_copy_without_parts_of_seconds_is_a_copy(run):
    """As tar, zip and some disks make it."""
    path = run / "results/x.private/run.json"
    os.utime(path, (int(path.stat().st_mtime), int(path.stat().st_mtime)))
    assert RunRecord.read("results/x").is_copied()
