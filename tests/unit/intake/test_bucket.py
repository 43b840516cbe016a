"""Scans in a bucket, as far as no server is needed; the rest is in tests/e2e/test_scans_in_bucket.py."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lungsight.errors import UserError
from lungsight.intake import bucket
from lungsight.intake.bucket import (
    StoredObject,
    listed_cohorts,
    read_listed_tables,
    scans_at_hand,
    use_storage_settings,
)
from lungsight.intake.cases import Intake, reads_scan
from lungsight.intake.cohort_table import TableRow

ADDRESS = "s3://lungs/scans"


def row(skip: str = "") -> TableRow:
    return TableRow(1, "p", "p/1", "Covid", "", mask="p/mask.dcm", split="", skip=skip)


@pytest.mark.skipif(importlib.util.find_spec("boto3") is not None, reason="boto3 is installed")
def test_without_its_client_a_bucket_is_refused_with_the_command_that_installs_it(tmp_path):
    with pytest.raises(UserError, match="pip install 'snakemake-storage-plugin-s3"):
        listed_cohorts({"made": {"root": ADDRESS}}, tmp_path, list_now=True)


def test_only_cohorts_in_a_bucket_get_another_root(tmp_path, monkeypatch):
    cohorts = {
        "disk": {"root": "data"},
        "far": {"root": ADDRESS},
        "known": {"root": ADDRESS, "layout": "sars-cov-2-ct"},
    }
    listed, remarks = listed_cohorts(cohorts, tmp_path, list_now=False)
    assert [cohort["root"] for cohort in listed.values()] == [
        "data",
        str(tmp_path / "far"),
        str(tmp_path / "known.sars-cov-2-ct"),
    ]
    assert cohorts["far"]["root"] == ADDRESS and not remarks

    def refuse(*_):
        raise UserError(f"row 1: path does not exist below {tmp_path / 'far'}.")

    monkeypatch.setattr(bucket, "read_cohort_tables", refuse)
    with pytest.raises(UserError, match="path does not exist below s3://lungs/scans"):
        read_listed_tables(cohorts, listed, {}, False)


def test_scans_on_a_disk_stay_where_they_are(tmp_path):
    with scans_at_hand(tmp_path, ["p/1"]) as root:
        assert root == tmp_path


def test_names_that_no_file_can_have_do_not_fit():
    names = ["a/b.png", "a", "../x", "a/./y", "/z", "w\0", "é" * 128, "long/" + "n" * 255]
    fitting = bucket._that_fit([StoredObject(name, 1, 0) for name in names])
    assert [entry.name for entry in fitting] == ["a/b.png", "long/" + "n" * 255]


@pytest.mark.parametrize(("skip", "fetched"), [("", [["p/1", "p/mask.dcm"]]), ("not wanted", [])])
def test_a_function_of_a_row_finds_copies_of_the_columns_that_it_reads(tmp_path, monkeypatch, skip, fetched):
    asked = []

    class Copies:
        def __init__(self, address, paths):
            assert address == ADDRESS
            asked.append(list(paths))

        def __enter__(self) -> Path:
            return tmp_path

        def __exit__(self, *_) -> None:
            asked.append("deleted")

    monkeypatch.setattr("lungsight.intake.cases.scans_at_hand", Copies)
    intake = Intake.of("made", ADDRESS, {"format": "dicom", "min_slices": 5, "intake": {}}, b"key")
    root = reads_scan("path", "mask")(lambda row, intake: intake.root)(row(skip), intake)
    assert asked == fetched + ["deleted"] * len(fetched)
    assert root == (tmp_path if fetched else intake.root)
    assert not (intake.root / "p").exists()


def test_settings_of_snakemake_hold_for_scans_unless_the_environment_has_its_own(monkeypatch):
    class Settings:
        endpoint_url, access_key, secret_key, token = "https://s3.example.org", "a", "b", None

        def get_settings(self):
            return self

    at_hand: dict[str, str] = {}
    monkeypatch.setattr("os.environ", at_hand)
    use_storage_settings({})
    assert not at_hand
    use_storage_settings({"s3": Settings()})
    assert at_hand == {
        "AWS_ENDPOINT_URL_S3": "https://s3.example.org",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
    }
    own = {"AWS_ENDPOINT_URL_S3": "https://own.example.org", "AWS_ACCESS_KEY_ID": "own"}
    monkeypatch.setattr("os.environ", own.copy())
    use_storage_settings({"s3": Settings()})
    assert os.environ == own, "keys of two owners would not fit each other"


def test_copies_of_a_process_that_was_killed_are_removed_and_those_of_others_stay(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folders = [f"{bucket._COPIES}{gone.pid}-a", f"{bucket._COPIES}{os.getpid()}-b", "lungsight-0-elsewhere-1-c"]
    for name in folders:
        (tmp_path / name / "Doe_Jane").mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bucket._remove_copies_of_killed.__wrapped__()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(folders[1:])
