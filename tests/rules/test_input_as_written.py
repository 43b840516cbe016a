"""Configs and tables as people write them, through Snakemake: a sentence without a traceback, or a right result."""

import os

import numpy as np
import pytest
from PIL import Image

from lungsight.tables import read_table
from tests.factories.workspace import ROOT, Workspace

TABLE = "patient\tpath\tlabel\n007\ta{1}.png\tCovid-19\n8\tb c.png\tNon Covid\n7\td.png\tCovid-19\n"


def study(folder, table=TABLE, **config):
    """A cohort of three pictures, of two people, in a folder whose name has a space."""
    root = folder / "my scans"
    root.mkdir()
    for number, name in enumerate(("a{1}.png", "b c.png", "d.png")):
        pixels = np.random.default_rng(number).integers(0, 255, (64, 64), dtype=np.uint8)
        Image.fromarray(pixels).save(root / name)
    (folder / "my table.csv").write_text(table, encoding="utf-8")
    cohort = {"role": "external", "format": "png", "root": "my scans", "table": "my table.csv"}
    return Workspace(folder, {"cohorts": {"hospital": cohort}, "segmentation": {"method": "classical"}} | config)


def refusal(workspace, *arguments, configured=True):
    done = workspace.snakemake("-n", "--cores", "1", *arguments, configured=configured)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout and "in <module>" not in done.stdout, done.stdout
    return done.stdout


def test_a_study_with_odd_names_gives_one_pseudonym_to_one_person(tmp_path):
    workspace = study(tmp_path, results="./results//x/", patient_ids="normalise")
    done = workspace.snakemake("--cores", "1", "--show-failed-logs", "results/x/cohorts/hospital/cases.tsv")
    assert done.returncode == 0, done.stdout
    cases = read_table(tmp_path / "results/x/cohorts/hospital/cases.tsv", "cases")
    first, second, third = cases["patient"]
    assert first == third != second and cases["status"].tolist() == ["ok"] * 3
    again = workspace.snakemake("-n", "--cores", "1", "./results/x/cohorts/hospital/cases.tsv")
    assert "Nothing to be done" in again.stdout, again.stdout
    workspace.config["patient_ids"] = "exact"
    workspace.write_config()
    workspace.snakemake("--cores", "1", "results/x/cohorts/hospital/cases.tsv")
    assert read_table(tmp_path / "results/x/cohorts/hospital/cases.tsv", "cases")["patient"].nunique() == 3


def test_ids_that_are_alike_stop_a_run_before_any_job(tmp_path):
    assert "row 1 | row 3: one patient id in 2 spellings, alike but for leading zeros." in refusal(study(tmp_path))


def test_a_key_that_is_there_twice_is_named_with_its_lines(tmp_path):
    workspace = study(tmp_path, patient_ids="exact")
    with open(tmp_path / "config.yaml", "a", encoding="utf-8") as file:
        file.write("results: results/other\n")
    assert "the key results is there already in line 1" in refusal(workspace)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("all",), "No --configfile was given, so config/config.yaml counts"),
        (
            ("predict", "--config", "scans=2024_01_15", "model=x"),
            "scans: Snakemake reads the value as 20240115, no path",
        ),
        (("draft_table", "--config", "root=007"), "root: Snakemake reads the value as 7, no path"),
        (("pool_folds", "--config", "folds_of=~/fold1"), "folds_of: '~/fold1': ~ is not expanded here"),
        (("pool_folds", "--config", "folds_of=results/fold1"), "folds_of: the folder results/fold1 does not exist"),
        (("pool_folds", "--config", "folds_of="), "folds_of must name the results folder of every fold"),
        (("pool_folds",), "folds_of must name the results folder of every fold"),
    ],
)
def test_commands_without_a_config(tmp_path, arguments, words):
    assert words in refusal(Workspace(tmp_path, {}), *arguments, configured=False)


def test_the_config_of_the_thesis_says_that_it_was_read(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_bytes((ROOT / "config" / "config.yaml").read_bytes())
    message = refusal(Workspace(tmp_path, {}), "all", configured=False)
    assert "cohorts.nsclc.table: data/nsclc.tsv does not exist" in message
    assert "No --configfile was given" in message and "snakemake --configfile my.yaml" in message


@pytest.mark.skipif(os.getuid() == 0, reason="root may read and write everything")
def test_a_table_that_may_not_be_read_is_named(tmp_path):
    workspace = study(tmp_path, patient_ids="exact")
    (tmp_path / "my table.csv").chmod(0)
    assert "my table.csv cannot be read: Permission denied" in refusal(workspace)


def test_a_root_beside_the_cohorts_is_misplaced_unless_the_command_names_it(tmp_path):
    workspace = study(tmp_path, root="my scans", patient_ids="exact")
    assert "unknown key root; did you mean cohorts.<name>.root?" in refusal(workspace)
    done = workspace.snakemake("--cores", "1", "draft_table", "--config", "root=my scans", "table=draft.tsv")
    assert done.returncode == 0 and (tmp_path / "draft.tsv").is_file(), done.stdout
