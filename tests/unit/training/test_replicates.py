"""Names, seeds and splits of replicates, and what is refused of them."""

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.training.pipelines import Pipeline, pipeline_and_stage
from lungsight.training.replicates import (
    check_repeats,
    further_replicates,
    names_of_replicates,
    replicate_of_split,
    seed_of_replicate,
)
from lungsight.training.settings import settings_of_stage, start_of

NAME = "whole-small_cnn-imagenet"
COHORTS = {
    name: {"role": name, "format": "png", "root": name, "table": "x"} for name in ("public", "target", "external")
}
PIPELINES = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch", "imagenet"]}


def config_of(replicates: int = 3, **settings: dict) -> dict:
    """A config; settings: of its sections."""
    training = {"replicates": replicates, "stand_in": {}} | settings.pop("training", {})
    return complete_config(
        {"results": "r", "cohorts": COHORTS, "pipelines": PIPELINES, "training": training} | settings
    )


def test_a_name_says_which_replicate_it_is(tmp_path) -> None:
    assert names_of_replicates(NAME, 3) == [NAME, f"{NAME}-r2", f"{NAME}-r3"]
    for number, name in enumerate(names_of_replicates(NAME, 12), start=1):
        pipeline = Pipeline.parse(name)
        assert (pipeline.name, pipeline.replicate) == (name, number)
        assert pipeline.words == NAME.split("-")
    pipeline, stage = pipeline_and_stage(tmp_path / f"{NAME}-r2" / "stage2")
    assert (pipeline.name, pipeline.input_view, stage) == (f"{NAME}-r2", "whole", 2)


def test_one_replicate_is_nothing_new() -> None:
    once = config_of(replicates=1)
    assert further_replicates(once) == []
    assert settings_of_stage(once, NAME, "1") == settings_of_stage(config_of(), NAME, "1")
    assert "replicates" not in settings_of_stage(once, NAME, "1")


def test_replicates_differ_in_their_seed_and_start_from_their_own_stage_1() -> None:
    config = config_of(seed=4294967294)
    scratch = NAME.replace("imagenet", "scratch")
    assert further_replicates(config) == [f"{name}-r{k}" for name in (scratch, NAME) for k in (2, 3)]
    assert [seed_of_replicate(config, number) for number in (1, 2, 3)] == [4294967294, 4294967295, 0]
    assert start_of(config, "r", f"{NAME}-r2", "2") == {"parent": f"r/models/{NAME}-r2/stage1"}
    assert start_of(config, "r", f"{NAME}-r2", "1") == start_of(config, "r", NAME, "1")


def test_replicates_share_the_split_unless_it_is_repeated() -> None:
    assert replicate_of_split(config_of(), 3, "target") == 1
    repeated = config_of(splits={"repeats": True})
    assert [replicate_of_split(repeated, 3, cohort) for cohort in COHORTS] == [3, 3, 1]


@pytest.mark.parametrize(
    ("replicates", "splits", "message"),
    [
        (1, {"repeats": True}, "with one replicate nothing is repeated"),
        (3, {"folds": 5}, "3 replicates of a fold of a cross-validation are not supported"),
        (3, {"repeats": True, "unit": "source"}, "public is split by source, by a rule that no seed changes"),
        (3, {"repeats": True, "previous": "old"}, "splits.previous fixes the split"),
        (0, {}, "training.replicates: 0 is less than the minimum of 1"),
    ],
)
def test_what_cannot_be_repeated_is_refused_in_a_sentence(replicates: int, splits: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        config_of(replicates, splits=splits)


def test_a_table_that_names_every_subset_cannot_be_split_again() -> None:
    row = TableRow(row=1, patient="a", path="a.png", label="x", source="", mask="", split="train")
    rows = {"public": [row], "target": [row], "external": [row]}
    check_repeats(config_of(), rows)
    with pytest.raises(UserError, match="the table of public names the subset of every row"):
        check_repeats(config_of(splits={"repeats": True}), rows)
