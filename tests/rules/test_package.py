"""Rules of package by themselves, on a made run that lacks nothing. Every day, tests/e2e/test_tiny.py runs them."""

import json
import zipfile

import pytest

from lungsight.config_check import complete_config
from lungsight.run_description import describe_run
from tests.factories.package import complete_run
from tests.factories.results import made_report_tables, made_selection
from tests.factories.run import FINISHED_PIPELINES, made_finished_run, made_workspace
from tests.factories.workspace import Workspace

CARD = "models/whole-resnet50-scratch/stage2/model_card.md"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    """The whole run; the tests go through it in order."""
    workspace = made_finished_run(tmp_path_factory.mktemp("package"))
    run = describe_run(complete_config({"results": workspace.results} | workspace.config))
    roles = {cohort["name"]: cohort["role"] for cohort in run["cohorts"]}
    made_selection(workspace.run_folder, run)
    made_report_tables(workspace.run_folder, run, roles)
    complete_run(workspace.run_folder, run)
    return workspace


@pytest.mark.long
def test_model_cards(finished: Workspace) -> None:
    finished.must_run("model_cards", CARD)
    for name in FINISHED_PIPELINES:
        for stage in (1, 2):
            card = (finished.run_folder / f"models/{name}/stage{stage}/model_card.md").read_text(encoding="utf-8")
            assert f"# {name}, stage {stage}" in card and str(finished.folder) not in card


@pytest.mark.long
def test_write_package(finished: Workspace) -> None:
    done = finished.snakemake("--cores", "1", "--allowed-rules", "write_package", "--", f"{finished.results}.crate.zip")
    assert done.returncode == 0, done.stdout[-3000:]
    with zipfile.ZipFile(finished.folder / f"{finished.results}.crate.zip") as archive:
        assert archive.read(CARD) == (finished.run_folder / CARD).read_bytes()
        config = json.loads(archive.read("config.json"))
    assert config["report"]["title"] == "A made run" and "results" not in config
    assert all("root" not in cohort and "table" not in cohort for cohort in config["cohorts"].values())


def test_package(tmp_path) -> None:
    """Of half a run nothing is made, and nothing is trained: what is missing is named."""
    half = made_workspace(tmp_path, {"open": "public", "clinic": "target"}, segmentation={"method": "classical"})
    run = describe_run(complete_config({"results": half.results} | half.config))
    complete_run(half.run_folder, run)
    gone = ("report/systems.tsv", f"models/{'-'.join(run['pipelines'][0])}/stage1/model.keras")
    for name in gone:
        (half.run_folder / name).unlink()
    done = half.snakemake("-n", "package")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "results/test is not finished" in done.stdout and "Missing in results/test: 2." in done.stdout
    assert "\n  {}\n  {}\n".format(*gone) in done.stdout


def test_a_run_that_is_not_up_to_date_is_not_made_anew_for_a_package(tmp_path) -> None:
    """Its files are there, and some would be made again. `all` would do that; a package does not."""
    old = made_workspace(tmp_path, {"open": "public", "clinic": "target"}, segmentation={"method": "classical"})
    run = describe_run(complete_config({"results": old.results} | old.config))
    complete_run(old.run_folder, run)
    done = old.snakemake("--cores", "1", "package")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "results/test is not up to date" in done.stdout and "convert" in done.stdout.partition("To run again:")[2]
    assert not list(old.run_folder.glob("logs/**/*.log")), "no job has run"
