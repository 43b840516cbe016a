"""What a run says when it starts and when it ends, as the user sees it."""

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.factories.tables import made_cohort, made_split
from tests.factories.workspace import Workspace

CONFIG = {
    "cohorts": {
        name: {"role": role, "format": "png", "root": name, "table": f"{name}.tsv"}
        for name, role in (("curated", "public"), ("hospital", "target"))
    },
    "segmentation": {"method": "classical"},
    "splits": {"fractions": [0.5, 0.25, 0.25]},
    "pipelines": {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
}
TARGET = "models/whole-small_cnn-scratch/stage2/metrics.json"


def workspace(folder: Path) -> Workspace:
    """Predictions of one model lie there; nothing but their evaluation is left to run."""
    for name in CONFIG["cohorts"]:
        (folder / name).mkdir()
        (folder / name / "one.png").touch()
        (folder / f"{name}.tsv").write_text("patient\tpath\tlabel\nP1\tone.png\tCovid-19\n", encoding="utf-8")
    return Workspace(folder, json.loads(json.dumps(CONFIG)))


def write_predictions(space: Workspace) -> Path:
    split = made_split(space.run_folder, "hospital", "whole", made_cohort(space.run_folder, "hospital", patients=16))
    path = space.run_folder / Path(TARGET).parent / "predictions" / "hospital.tsv"
    path.parent.mkdir(parents=True)
    split.assign(probability=0.5).to_csv(path, sep="\t", index=False)
    return path


def test_a_run_ends_with_what_ran_and_what_was_rejected(tmp_path):
    space = workspace(tmp_path)
    write_predictions(space)
    done = space.run_rule("evaluate_model", TARGET)
    assert done.returncode == 0, done.stdout
    said = done.stdout[done.stdout.index("What ran: 1 jobs") :]
    assert "evaluate_model" in said
    assert "hospital: 16 of 16 taken" in said


def test_a_run_starts_with_an_estimate_and_is_refused_where_it_does_not_fit(tmp_path):
    space = workspace(tmp_path)
    made_cohort(space.run_folder, "hospital", patients=2)
    small, large = {"image_size": 32}, {"image_size": 1_000_000}  # 3 TB
    for training, refused in ((small, False), (large, True)):
        space.config["training"] = training
        space.write_config()
        done = space.run_rule("image_cache", "training/images/hospital/000/index.tsv")
        assert "Estimate: 2 slices, " in done.stdout, done.stdout
        assert ("Make room, or name another disk" in done.stdout) == refused
        assert done.returncode == int(refused), done.stdout
        assert "Traceback" not in done.stdout


def test_a_failed_run_ends_with_the_one_log_to_open(tmp_path):
    space = workspace(tmp_path)
    write_predictions(space).write_text("no table\n", encoding="utf-8")
    done = space.run_rule("evaluate_model", TARGET)
    assert done.returncode == 1
    said = done.stdout[done.stdout.index("The run stopped: evaluate_model failed.") :]
    log = "results/test/logs/evaluate_model/whole-small_cnn-scratch/stage2.log"
    assert f"Open first: {log}" in said
    assert (tmp_path / log).is_file()
    assert "predictions/hospital.tsv: column slice" in said, said


def test_a_run_says_which_library_changed_since_its_results_were_made(tmp_path):
    space = workspace(tmp_path)
    write_predictions(space)
    space.must_run("evaluate_model", TARGET)
    (record,) = (space.run_folder / "libraries" / "evaluate_model").iterdir()
    made_with = json.loads(record.read_text())
    assert made_with["output"] == TARGET
    assert made_with["libraries"]["numpy"] == version("numpy")
    record.write_text(json.dumps(made_with | {"libraries": made_with["libraries"] | {"numpy": "1.0"}}))
    only = ("--allowed-rules", "evaluate_model", "--forcerun", "evaluate_model")
    again = ("--cores", "1", *only, "--", f"{space.results}/{TARGET}")
    assert f"numpy 1.0, now {version('numpy')}: evaluate_model (1)" in space.snakemake(*again).stdout
    assert "Libraries changed" not in space.snakemake(*again).stdout, "it is made anew by now"


@pytest.mark.parametrize("target", [[], ["--", "train"], ["--", "results/test/report/index.html"]], ids=str)
def test_any_file(tmp_path, target):
    """A lock goes without a config, without data, and with the target of the command that was killed."""
    space = Workspace(tmp_path, {"cohorts": "nothing that could be read"})
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.input.lock").touch()
    done = space.snakemake("--unlock", *target, configured=bool(target))
    assert done.returncode == 0 and "Unlocked working directory" in done.stdout, done.stdout
    assert not (tmp_path / ".snakemake/locks").exists() and not (tmp_path / "results").exists()
