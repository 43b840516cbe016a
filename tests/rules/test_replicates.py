"""What replicates add to a run, by dry runs: jobs, seeds, splits, and what they leave as it was."""

import json
import re
from pathlib import Path

from tests.factories.run import made_workspace
from tests.factories.workspace import Workspace

PIPELINE = "whole-small_cnn-scratch"


def space_of(folder: Path, **settings: dict) -> Workspace:
    """A public, a target and an external cohort, with two pipelines."""
    return made_workspace(
        folder,
        {"open": "public", "clinic": "target", "abroad": "external"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch", "imagenet"]},
        segmentation={"method": "classical"},
        **{"training": {"stand_in": {}}} | settings,
    )


def jobs_of(space: Workspace) -> dict[str, int]:
    """How many jobs of each rule a whole run has."""
    done = space.snakemake("-n", "all")
    assert done.returncode == 0, done.stdout
    table = done.stdout.rpartition("Job stats:")[2]
    return {name: int(number) for name, number in re.findall(r"^(\w+) +(\d+)$", table, flags=re.MULTILINE)}


def commands_of(space: Workspace, *targets: str) -> str:
    """The commands that would make targets."""
    done = space.snakemake("-n", "-p", *(f"{space.results}/{target}" for target in targets))
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_three_replicates_train_three_times_and_share_all_else(tmp_path: Path) -> None:
    space = space_of(tmp_path)
    once = jobs_of(space)
    assert "replicate_maps" not in once
    space.config["training"]["replicates"] = 3
    space.write_config()
    times = jobs_of(space)
    changed = {name: times[name] - once.get(name, 0) for name in times if times[name] != once.get(name)}
    models = 2 * 2  # pipelines and stages
    assert changed == {
        "train_stage": 2 * models,
        # Stage 1 predicts three cohorts, stage 2 two.
        "infer_cohort": 2 * 2 * (3 + 2),
        "evaluate_model": 2 * models,
        "replicate_maps": models,
        "replicates_table": 1,
        "total": 2 * models + 2 * 2 * 5 + 2 * models + models + 1,
    }


def settings_in(commands: str, name: str) -> dict:
    """The settings of the training of a model, from its command."""
    [command] = [line for line in commands.splitlines() if "train_stage.py" in line and f"/{name}/stage1 " in line]
    return json.loads(re.search(r"--settings '(.*?)' --start", command)[1])


def test_a_replicate_differs_in_its_seed_alone(tmp_path: Path) -> None:
    space = space_of(tmp_path, seed=7)
    target = "models/{}/stage1/model.keras"
    once = settings_in(commands_of(space, target.format(PIPELINE)), PIPELINE)
    space.config["training"]["replicates"] = 3
    space.write_config()
    commands = commands_of(space, *(target.format(f"{PIPELINE}{end}") for end in ("", "-r2", "-r3")))
    assert settings_in(commands, PIPELINE) == once and once["seed"] == 7
    for number in (2, 3):
        assert settings_in(commands, f"{PIPELINE}-r{number}") == once | {"seed": 6 + number}
    assert "/r2/" not in commands  # one split


def test_under_repeats_each_replicate_has_a_split_but_an_external_cohort_one(tmp_path: Path) -> None:
    space = space_of(tmp_path, splits={"repeats": True})
    space.config["training"]["replicates"] = 2
    space.write_config()
    predictions = [f"models/{PIPELINE}-r2/stage2/predictions/{cohort}.tsv" for cohort in ("clinic", "abroad")]
    commands = commands_of(space, *predictions)
    splits = set(re.findall(r"--split \S*/splits/(\S+)", commands))
    assert {"open/r2/whole.tsv", "clinic/r2/whole.tsv", "abroad/whole.tsv"} <= splits
    assert not splits & {"open/whole.tsv", "clinic/whole.tsv", "abroad/r2/whole.tsv"}


def test_what_cannot_be_repeated_is_refused_before_any_job(tmp_path: Path) -> None:
    space = space_of(tmp_path, splits={"folds": 4})
    space.config["training"]["replicates"] = 3
    space.write_config()
    done = space.snakemake("-n", "all")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert "3 replicates of a fold of a cross-validation are not supported" in done.stdout
    space.config |= {"splits": {"repeats": True}, "training": {"stand_in": {}}}
    space.write_config()
    assert "with one replicate nothing is repeated" in space.snakemake("-n", "all").stdout
