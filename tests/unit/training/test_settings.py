"""What one stage is told of the config, and which files it starts from, for every kind of start."""

import pytest

from lungsight.config_check import complete_config
from lungsight.training.settings import (
    cohorts_predicted,
    imagenet_source,
    settings_of_stage,
    stages_with_controls,
    start_files,
    start_words,
)

SHA = "ab" * 32
PLAIN = "whole-small_cnn-scratch"


def config_of(**training) -> dict:
    cohorts = {"open": {"role": "public", "format": "png", "root": "data", "table": "t.tsv"}}
    return complete_config({"results": "r", "cohorts": cohorts, "training": training})


def test_epochs_and_rate_are_the_stages_own_and_what_cannot_change_a_model_is_left_out():
    config = config_of(epochs={"stage1": 3, "stage2": 5}, learning_rate={"stage2": 0.5}, threads=2, gpus=1)
    assert [settings_of_stage(config, PLAIN, stage)["epochs"] for stage in ("1", "2", "2-target-only")] == [3, 5, 5]
    assert settings_of_stage(config, PLAIN, "2")["learning_rate"] == 0.5
    other = config_of(epochs={"stage1": 3, "stage2": 6}, threads=8, gpus=0, adaptation_controls=True)
    assert settings_of_stage(other, PLAIN, "1") == settings_of_stage(config, PLAIN, "1")
    assert settings_of_stage(config_of(label_smoothing=0.1), PLAIN, "1") != settings_of_stage(config_of(), PLAIN, "1")


def test_stage_1_is_asked_about_the_target_before_adaptation_and_every_stage_about_the_external():
    cohorts = {
        role: {"role": role, "format": "png", "root": role, "table": f"{role}.tsv"}
        for role in ("public", "target", "external", "segmentation")
    }
    config = complete_config({"results": "r", "cohorts": cohorts, "training": {"adaptation_controls": True}})
    assert cohorts_predicted(config, 1) == cohorts_predicted(config, "1") == ["public", "target", "external"]
    assert cohorts_predicted(config, "2") == cohorts_predicted(config, "2-target-only") == ["target", "external"]
    assert stages_with_controls(config) == [1, 2, "2-target-only"]
    assert stages_with_controls(config_of(adaptation_controls=True)) == [1]


LOCAL = {"imagenet": {"resnet50": {"file": "w.h5", "sha256": SHA}}}


@pytest.mark.parametrize(
    ("training", "pipeline", "stage", "files", "words"),
    [
        ({}, "whole-resnet50-scratch", "1", {}, []),
        (
            {},
            "whole-resnet50-imagenet",
            "1",
            {"weights": "r/training/imagenet/resnet50.h5", "sha256": "r/training/imagenet/resnet50.h5.sha256"},
            ["--weights", "r/training/imagenet/resnet50.h5", "--weights-kind", "imagenet"],
        ),
        (
            {"stand_in": {}},
            "whole-resnet50-imagenet",
            "2-target-only",
            {"weights": "r/stand_in/resnet50.weights.h5", "sha256": "r/stand_in/resnet50.weights.h5.sha256"},
            ["--weights", "r/stand_in/resnet50.weights.h5", "--weights-kind", "stand-in"],
        ),
        (
            LOCAL | {"stand_in": {}},
            "whole-resnet50-imagenet",
            "1",
            {"weights": "w.h5", "verified": "r/training/imagenet/resnet50.verified"},
            ["--weights", "w.h5", "--weights-kind", "imagenet", "--weights-sha256", SHA],
        ),
        (
            {},
            "whole-resnet50-imagenet",
            "2",
            {
                "parent": "r/models/whole-resnet50-imagenet/stage1/model.keras",
                "parent_provenance": "r/models/whole-resnet50-imagenet/stage1/provenance.json",
            },
            [
                *("--parent", "r/models/whole-resnet50-imagenet/stage1/model.keras"),
                *("--parent-provenance", "r/models/whole-resnet50-imagenet/stage1/provenance.json"),
            ],
        ),
    ],
    ids=["scratch", "download", "stand-in", "file", "parent"],
)
def test_what_a_stage_starts_from(training, pipeline, stage, files, words):
    config = config_of(**training)
    assert start_files(config, "r", pipeline, stage) == files
    assert start_words(config, pipeline, stage, files) == words


def test_a_local_file_is_preferred_to_a_stand_in_and_that_to_the_download():
    given = (LOCAL | {"stand_in": {}}, {"stand_in": {}}, {})
    assert [imagenet_source(config_of(**each), "resnet50") for each in given] == ["file", "stand-in", "download"]
