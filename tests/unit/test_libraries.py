"""Versions of libraries: what a job records, and what a run says of those that changed."""

import json
import os
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from lungsight.code import libraries_of
from lungsight.libraries import (
    DISTRIBUTIONS,
    FOLDER,
    WITHOUT_EFFECT,
    WORKS_WITH,
    changed_libraries,
    changes_in_words,
    loaded_versions,
    recorded_libraries,
    version_of,
    with_their_own,
)
from tests.factories.workspace import ROOT
from tests.unit.code.invented import write_library

SCRIPTS = ROOT / "workflow" / "scripts"
PROVIDERS = metadata.packages_distributions()  # what can be imported → the distributions that bring it


@pytest.fixture
def run(tmp_path, monkeypatch) -> Path:
    """The results folder of a run, in which a program is about to write report/metrics.tsv."""
    folder = tmp_path / "results" / "test"
    (folder / "report").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER, "results/test/libraries")
    monkeypatch.setattr(
        sys, "argv", ["workflow/scripts/evaluate.py", "--seed", "1", "--metrics", "results/test/report/metrics.tsv"]
    )
    return folder


def test_a_job_that_succeeds_records_what_it_loaded_under_what_it_wrote(run):
    with recorded_libraries():
        (run / "report" / "metrics.tsv").write_text("a\n")
    (record,) = (run / "libraries").rglob("*.json")
    assert record.relative_to(run) == Path("libraries/evaluate/report-metrics.tsv.json")
    found = json.loads(record.read_text())
    assert found["output"] == "report/metrics.tsv"
    assert found["libraries"]["numpy"] == np.__version__
    assert found["libraries"]["python"] == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert not {"json", "os", "lungsight", "tests"} & set(found["libraries"])


def test_a_job_that_fails_or_writes_nothing_records_nothing(run):
    (run / "report" / "metrics.tsv").write_text("of an earlier job\n")
    with recorded_libraries():
        pass
    with pytest.raises(ValueError), recorded_libraries():
        (run / "report" / "metrics.tsv").write_text("half\n")
        raise ValueError
    assert not (run / "libraries").exists()


def test_a_job_that_runs_again_replaces_its_record(run):
    for text in ("a\n", "b\n"):
        with recorded_libraries():
            path = run / "report" / "metrics.tsv"
            path.write_text(text)
            os.utime(path, (1, len(list(run.rglob("*")))))
    assert len(list((run / "libraries").rglob("*.json"))) == 1


def test_a_folder_is_an_output_as_well(run, monkeypatch):
    (run / "nifti").mkdir()
    monkeypatch.setattr(sys, "argv", ["convert.py", "--nifti", str(run / "nifti")])
    os.utime(run / "nifti", (1, 1))
    with recorded_libraries():
        (run / "nifti" / "a.nii.gz").touch()
    assert [path.name for path in (run / "libraries").rglob("*.json")] == ["nifti.json"]


def test_without_a_run_nothing_is_recorded(run, monkeypatch):
    monkeypatch.delenv(FOLDER)
    with recorded_libraries():
        (run / "report" / "metrics.tsv").write_text("a\n")
    assert list(run.rglob("*.json")) == []


def record(run: Path, program: str, output: str, **versions: str) -> None:
    (run / output).parent.mkdir(parents=True, exist_ok=True)
    (run / output).touch()
    path = run / "libraries" / program / f"{output.replace('/', '-')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"output": output, "libraries": versions}))


NEEDS = {"train_stage": frozenset({"keras", "numpy"}), "evaluate_model": frozenset({"numpy"}), "gone": frozenset()}
NOW = {"numpy": "2.0", "keras": "3.1", "tensorflow": "2.21", "PIL": "13.0", "python": "3.11"}


def test_a_changed_version_is_said_with_the_jobs_whose_numbers_depend_on_it(run):
    same = {"numpy": "2.0", "keras": "3.1", "python": "3.11"}
    record(run, "train_stage", "models/a/model.keras", **same | {"keras": "3.0", "PIL": "12.0"})
    record(run, "train_stage", "models/b/model.keras", **same | {"keras": "3.0"})
    record(run, "train_stage", "models/c/model.keras", **same | {"tensorflow": "2.20"})
    record(run, "evaluate_model", "models/a/metrics.json", **same | {"keras": "3.0", "numpy": "1.9"})
    record(run, "gone", "old.tsv", numpy="1.0")
    changed = changed_libraries(run / "libraries", NEEDS.__getitem__, NOW.get)
    assert changed == {
        ("keras", "3.0", "3.1"): {"train_stage": 2},
        ("tensorflow", "2.20", "2.21"): {"train_stage": 1},
        ("numpy", "1.9", "2.0"): {"evaluate_model": 1},
    }
    assert changes_in_words(changed).splitlines() == [
        "Libraries changed since results of this run were made (in brackets: results of each rule):",
        "  keras 3.0, now 3.1: train_stage (2)",
        "  numpy 1.9, now 2.0: evaluate_model (1)",
        "  tensorflow 2.20, now 2.21: train_stage (1)",
        "These results are kept. To make them anew: --forcerun evaluate_model train_stage",
    ]


def test_a_record_whose_result_is_gone_says_nothing(run):
    record(run, "evaluate_model", "models/a/metrics.json", numpy="1.9")
    (run / "models/a/metrics.json").unlink()
    assert changed_libraries(run / "libraries", NEEDS.__getitem__, NOW.get) == {}


def test_python_and_a_library_that_is_gone_are_said_too(run):
    record(run, "evaluate_model", "models/a/metrics.json", numpy="1.9", python="3.10")
    changed = changed_libraries(run / "libraries", NEEDS.__getitem__, {"python": "3.11"}.get)
    assert set(changed) == {("numpy", "1.9", "absent"), ("python", "3.10", "3.11")}


def test_nothing_is_said_where_nothing_changed(run):
    record(run, "evaluate_model", "models/a/metrics.json", numpy="2.0")
    assert changes_in_words(changed_libraries(run / "libraries", NEEDS.__getitem__, NOW.get)) == ""
    assert changed_libraries(run / "no such folder", NEEDS.__getitem__, NOW.get) == {}


def test_libraries_of_a_program_are_those_that_it_reaches(tmp_path):
    program = write_library(
        tmp_path,
        {
            "lungsight/work.py": (
                "import json\nimport numpy as np\nimport pandas\nfrom scipy import ndimage\n"
                "from matplotlib.figure import Figure\n"
                "def work(x: pandas.DataFrame):\n    import torch.nn\n    return np.mean(x), torch.nn, json\n"
                "def spare(x): return ndimage.label(x), Figure()\n"
            )
        },
    )
    assert libraries_of(program) == {"numpy", "torch"}


def test_libraries_of_real_programs():
    found = {
        name: libraries_of(SCRIPTS / f"{name}.py")
        for name in ("train_stage", "evaluate_model", "convert", "nnunet_train")
    }
    assert found["train_stage"] >= {"keras", "tensorflow", "numpy", "pandas"}
    assert found["convert"] >= {"pydicom", "highdicom", "numpy", "PIL"}
    assert found["nnunet_train"] >= {"nnunetv2", "torch"}
    assert found["evaluate_model"] >= {"numpy", "pandas"}
    assert not found["evaluate_model"] & {"keras", "tensorflow", "torch", "pydicom", "matplotlib", "scipy"}


def test_a_library_brings_those_that_it_computes_with():
    assert with_their_own(frozenset({"tf_keras_vis", "numpy"})) == {"tf_keras_vis", "keras", "tensorflow", "numpy"}


def test_every_library_of_every_program_has_a_version_by_its_name():
    needed = frozenset().union(*(libraries_of(path) for path in SCRIPTS.glob("*.py")))
    assert needed >= WITHOUT_EFFECT, "the others are not used any more"
    for name in sorted(with_their_own(needed - WITHOUT_EFFECT)):
        assert version_of(name), f"{name} is brought by {PROVIDERS.get(name)}: name it in DISTRIBUTIONS"
    for name, distribution in DISTRIBUTIONS.items():
        assert distribution in {found.lower() for found in PROVIDERS[name]}
    assert set(WORKS_WITH) <= needed, "the others are not used any more"


def test_an_absent_library_has_no_version():
    assert version_of("no_such_library") is None
    assert "no_such_library" not in loaded_versions()
