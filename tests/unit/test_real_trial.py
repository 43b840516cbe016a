"""The trial on two public data sets: what it says where they are not, and that both of its configs fit them."""

import importlib.util
import subprocess
import sys

import pytest
import yaml
from snakemake.utils import update_config

from lungsight.config_check import complete_config
from lungsight.intake.cohort_table import read_cohort_tables
from tests.factories.workspace import ROOT
from tests.unit.intake import test_layout_sars_cov_2_ct as soares
from tests.unit.intake import test_layout_ucsd_covid_ct as ucsd

TOOL = ROOT / "tools" / "run_real_trial.py"


def run_trial(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(TOOL), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def runs(monkeypatch):
    """Results and config files of the two runs."""
    monkeypatch.syspath_prepend(TOOL.parent)
    spec = importlib.util.spec_from_file_location(TOOL.stem, TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RUNS


@pytest.fixture
def data(tmp_path):
    soares.made(tmp_path / "soares")
    ucsd.made(tmp_path / "ucsd" / "COVID-CT-master")
    return tmp_path


def test_without_data_it_says_what_to_download_and_where_to(tmp_path):
    for given, problem in (
        ([], "DATA is not given."),
        (["--data", f"{tmp_path}/no"], f"DATA={tmp_path}/no is no folder."),
        (["--data", str(tmp_path)], "is not laid out as sars-cov-2-ct"),
    ):
        done = run_trial(*given)
        assert done.returncode == 1 and problem in done.stderr and "Traceback" not in done.stderr
        for word in ("Soares 2020", "UCSD-AI4H/COVID-CT", "master-data", "docs/data.md", "make real-trial DATA="):
            assert word in done.stderr


def test_a_set_that_is_missing_is_named(data):
    (data / "ucsd" / "COVID-CT-master" / "COVID-CT-MetaInfo.xlsx").unlink()
    done = run_trial("--data", str(data))
    assert (
        "COVID-CT-MetaInfo.xlsx (or .csv) is missing" in done.stderr and "laid out as sars-cov-2-ct" not in done.stderr
    )


def test_both_configs_fit_the_data_and_differ_in_little(data, runs):
    """There, COVID-CT is the target; back, SARS-CoV-2 CT-scan is. What the way back does not name is as there."""
    configs = {}
    for results, files in runs.items():
        config: dict = {}
        for file in files:
            update_config(config, yaml.safe_load((ROOT / file).read_text(encoding="utf-8")))
        for cohort in config["cohorts"].values():
            cohort["root"] = str(data)
        assert config["results"] == str(results)
        configs[results.name] = complete_config(config)
    there, back = configs["real-trial"], configs["real-trial-back"]
    roles = {name: {cohort: of["role"] for cohort, of in config["cohorts"].items()} for name, config in configs.items()}
    assert roles == {
        "real-trial": {"sarscov2": "public", "covidct": "target"},
        "real-trial-back": {"sarscov2": "target", "covidct": "public"},
    }
    for config in configs.values():
        rows = read_cohort_tables(config["cohorts"], config["labels"])
        assert {name: len(found) for name, found in rows.items()} == {"sarscov2": 10, "covidct": 10}
    differs = {key for key in there if there[key] != back[key]}
    assert differs == {"results", "cohorts", "training", "leakage", "report"}
    assert {key for key in there["training"] if there["training"][key] != back["training"][key]} == {"epochs"}
