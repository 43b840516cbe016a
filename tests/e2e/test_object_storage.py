"""Run the workflow with results in a bucket of a real S3 server, on this machine (moto)."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.e2e.test_tiny import CONFIG, write_phantom_tables
from tests.factories.workspace import Workspace

# In .venv they are not: the client of S3 needs an older python-dateutil (tools/lock.py).
pytest.importorskip("snakemake_storage_plugin_s3", reason="run `make test-bucket`", exc_type=ImportError)
pytest.importorskip("moto.server", exc_type=ImportError)

from tests.factories.bucket import BUCKET, KEYS, Bucket, running_bucket

PREFIX = "study"
AT_MOST = 600.0  # seconds until an object is there
FINAL = ("cases.tsv", "slices.tsv", "duplicates.tsv", "scores.tsv", "whole.tsv", "segmented.tsv", "leakage.tsv")


def options_of(bucket: Bucket, prefix: str = f"s3://{BUCKET}/{PREFIX}") -> list[str]:
    """Return what a user adds to the command."""
    return [
        *("--default-storage-provider", "s3", "--default-storage-prefix", prefix),
        *("--storage-s3-endpoint-url", bucket.address, "--rerun-incomplete", "--cores", "2"),
    ]


@pytest.fixture(scope="module")
def bucket() -> Iterator[Bucket]:
    with running_bucket(PREFIX) as bucket:
        yield bucket


def small_workspace(folder: Path) -> Workspace:
    """Make a workspace with two small cohorts of phantoms, whose lungs are found without a network."""
    folder.mkdir()
    config = yaml.safe_load(yaml.safe_dump(CONFIG)) | {"segmentation": {"method": "classical"}}
    del config["cohorts"]["nsclc"]
    for name, cohort in config["cohorts"].items():
        cohort |= {"root": f"phantoms/{name}", "table": f"{name}.tsv"}
        cohort["phantom"] |= {"matrix": 96, "patients": 6}
    workspace = Workspace(folder, config, environment=dict(KEYS))
    write_phantom_tables(workspace)
    return workspace


def interrupt_on_the_way(process: subprocess.Popen, results: Bucket) -> None:
    """Interrupt a run to the splits when the first cases are in the bucket, and check that it did not end before."""
    end = time.monotonic() + AT_MOST
    while process.poll() is None and time.monotonic() < end:
        if any(name.endswith("cases.tsv") for name in results.names()):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=AT_MOST) != 0
    assert not any(name.endswith("leakage.tsv") for name in results.names())


@pytest.fixture(scope="module")
def run(bucket: Bucket, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Run to the splits, with an interrupt when the first cases are in the bucket."""
    workspace = small_workspace(tmp_path_factory.mktemp("storage") / "run")
    interrupt_on_the_way(workspace.start(*options_of(bucket), "split"), bucket)
    done = workspace.snakemake(*options_of(bucket), "split")
    assert done.returncode == 0, done.stdout[-8000:]
    return workspace


@pytest.fixture(scope="module")
def other(run: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Make the same workspace under the same key, whose results are to lie on the disk."""
    other = small_workspace(tmp_path_factory.mktemp("disk") / "run")
    other.private_folder.mkdir(parents=True, mode=0o700)
    shutil.copy2(run.private_folder / "key", other.private_folder / "key")
    return other


def tables_made(workspace: Workspace) -> dict[str, bytes]:
    """Read the tables of a run on the disk that follow from its key and its config: path → content.

    The checklists name the SHA-256 of a model's file, in which Keras writes when it was made.
    """
    return {
        str(path.relative_to(workspace.folder)): path.read_bytes()
        for path in workspace.run_folder.rglob("*.tsv")
        if path.name in FINAL or path.parent == workspace.run_folder / "report"
        if "benchmarks" not in path.parts and path.name != "checklists.tsv"
    }


def test_the_bucket_holds_the_tables_of_a_run_without_a_bucket(run, bucket, other):
    done = other.snakemake("--cores", "2", "split")
    assert done.returncode == 0, done.stdout[-8000:]
    made = tables_made(other)
    assert len(made) > 15
    assert {name: bucket.content(name) for name in made} == made


def test_nothing_is_left_to_do(run, bucket):
    done = run.snakemake(*options_of(bucket), "-n", "split")
    assert "Nothing to be done" in done.stdout, done.stdout[-4000:]


def test_what_is_private_stays_on_the_machine(run, bucket):
    """No object is of the private folder or the scans, and none holds the key or a path of the table."""
    names = bucket.names()
    assert not [name for name in names if ".private" in name or not name.startswith("results/test/")]
    assert (run.private_folder / "hospital.tsv").is_file()
    key = (run.private_folder / "key").read_bytes().strip()
    tables = [(run.folder / f"{cohort}.tsv").read_text(encoding="utf-8") for cohort in run.config["cohorts"]]
    paths = [line.split("\t")[1].encode() for table in tables for line in table.splitlines()[1:]]
    texts = {name: bucket.content(name) for name in names if not name.endswith((".png", ".nii.gz"))}
    assert not [name for name, text in texts.items() if key in text or any(path in text for path in paths)]


def test_the_results_lie_in_the_bucket_alone(run):
    made = {path.name for path in run.run_folder.rglob("*") if path.is_file()}
    assert not made & {*FINAL, "checked.txt"}
    copies = run.folder / ".snakemake" / "storage"
    assert not list(copies.rglob("*.nii.gz")), "copies go when no job needs them"


@pytest.mark.parametrize(
    ("prefix", "target", "sentence"),
    [
        ("", "split", "needs --default-storage-prefix, as s3://BUCKET/FOLDER"),
        (f"s3://{BUCKET}/{PREFIX}", "package", "A package is made of results on this machine."),
    ],
)
def test_what_a_bucket_cannot_do_is_refused_before_any_job(run, bucket, prefix, target, sentence):
    done = run.snakemake(*options_of(bucket, prefix), "-n", target)
    assert done.returncode != 0
    assert sentence in done.stdout and "Traceback" not in done.stdout, done.stdout[-4000:]


def test_decisions_of_reviewers_are_refused(run, bucket):
    (run.folder / "decisions").mkdir(exist_ok=True)
    run.config["qc"] = {"decisions": "decisions"}
    run.write_config()
    done = run.snakemake(*options_of(bucket), "-n", "split")
    del run.config["qc"]
    run.write_config()
    assert done.returncode != 0
    assert "qc.decisions are compared with tables of the run" in done.stdout, done.stdout[-4000:]


def test_a_second_key_is_refused(run, bucket):
    hidden = run.private_folder.rename(run.folder / "elsewhere")
    done = run.snakemake(*options_of(bucket), "-n", "split")
    os.rename(hidden, run.private_folder)
    assert done.returncode != 0
    assert "new ones would not fit" in done.stdout and "Traceback" not in done.stdout, done.stdout[-4000:]


def test_a_job_without_the_private_folder_draws_no_key_of_its_own(bucket, tmp_path):
    """As on another machine: Snakemake calls itself for a job there, with the mode `remote`."""
    space = small_workspace(tmp_path / "run")
    options = options_of(bucket, f"s3://{BUCKET}/other")
    done = space.snakemake(*options, "--mode", "remote", "--force", "--", "results/test/cohorts/duplicates.tsv")
    assert done.returncode != 0 and not space.private_folder.exists()
    assert "started with --no-hooks" in done.stdout
    assert "is not on the machine of this job" in done.stdout and "Traceback" not in done.stdout, done.stdout[-4000:]


def test_a_dry_run_plans_what_only_some_configs_have(bucket, tmp_path):
    """The leakage experiment and the transfer study: their inputs name outputs of other rules, all in the bucket."""
    space = small_workspace(tmp_path / "run")
    space.config["leakage"] = {"pipelines": ["whole-small_cnn-scratch"]}
    space.config["transfer_study"] = {"patients": [2], "draws": 1}
    space.write_config()
    done = space.snakemake(*options_of(bucket, f"s3://{BUCKET}/other"), "-n", "report", "transfer_study")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "leakage_training " in done.stdout and "transfer_training " in done.stdout


@pytest.mark.long  # two networks are trained twice
def test_the_report_of_a_run_in_a_bucket_has_the_tables_of_one_on_the_disk(run, bucket, other):
    """Go on to the report, with networks of two stages, in both."""
    endings = []
    for workspace, options in ((run, options_of(bucket)), (other, ["--cores", "2"])):
        done = workspace.snakemake(*options, "--show-failed-logs", "all")
        assert done.returncode == 0, done.stdout[-8000:]
        endings.append(done.stdout[-2000:])
    assert f"The results are in s3://{BUCKET}/{PREFIX}/results/test." in endings[0]
    made = tables_made(other)
    assert {"results/test/report/metrics.tsv", "results/test/report/verdicts.tsv"} <= set(made)
    assert {name: bucket.content(name) for name in made} == made
    assert b"</html>" in bucket.content("results/test/report/index.html")
    test_what_is_private_stays_on_the_machine(run, bucket)
