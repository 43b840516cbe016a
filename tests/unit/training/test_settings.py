"""The settings of one stage, and the files that it starts from, for every kind of start."""

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.training.pipelines import check_pipelines
from lungsight.training.published_models import network_of
from lungsight.training.settings import (
    cohorts_predicted,
    imagenet_source,
    settings_of_stage,
    simsiam_settings,
    stages_with_controls,
    start_files,
    start_of,
)

SHA = "ab" * 32
PLAIN = "whole-small_cnn-scratch"


def config_of(**training) -> dict:
    cohorts = {"open": {"role": "public", "format": "png", "root": "data", "table": "t.tsv"}}
    return complete_config({"results": "r", "cohorts": cohorts, "training": training})


def test_settings_have_the_epochs_and_rate_of_the_stage_and_nothing_that_cannot_change_a_model():
    config = config_of(epochs={"stage1": 3, "stage2": 5}, learning_rate={"stage2": 0.5}, threads=2, gpus=1)
    assert [settings_of_stage(config, PLAIN, stage)["epochs"] for stage in ("1", "2", "2-target-only")] == [3, 5, 5]
    assert settings_of_stage(config, PLAIN, "2")["learning_rate"] == 0.5
    other = config_of(epochs={"stage1": 3, "stage2": 6}, threads=8, gpus=0, adaptation_controls=True)
    assert settings_of_stage(other, PLAIN, "1") == settings_of_stage(config, PLAIN, "1")
    assert settings_of_stage(config_of(label_smoothing=0.1), PLAIN, "1") != settings_of_stage(config_of(), PLAIN, "1")


def test_stage_1_predicts_the_target_before_adaptation_and_every_stage_predicts_the_external_cohort():
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
    ("training", "pipeline", "stage", "start", "files"),
    [
        ({}, "whole-resnet50-scratch", "1", {}, []),
        (
            {},
            "whole-resnet50-imagenet",
            "1",
            {"weights": "r/training/imagenet/resnet50.h5", "kind": "imagenet", "sha256": None},
            ["r/training/imagenet/resnet50.h5", "r/training/imagenet/resnet50.h5.sha256"],
        ),
        (
            {"stand_in": {}},
            "whole-resnet50-imagenet",
            "2-target-only",
            {"weights": "r/stand_in/resnet50.weights.h5", "kind": "stand-in", "sha256": None},
            ["r/stand_in/resnet50.weights.h5", "r/stand_in/resnet50.weights.h5.sha256"],
        ),
        (
            {"stand_in": {}},
            "segmented-resnet50-simsiam",
            "1",
            {"weights": "r/training/simsiam/segmented/resnet50.weights.h5", "kind": "simsiam", "sha256": None},
            [f"r/training/simsiam/segmented/resnet50.weights.h5{end}" for end in ("", ".sha256")],
        ),
        (
            LOCAL | {"stand_in": {}},
            "whole-resnet50-imagenet",
            "1",
            {"weights": "w.h5", "kind": "imagenet", "sha256": SHA},
            [],
        ),
        (
            {},
            "whole-resnet50-imagenet",
            "2",
            {"parent": "r/models/whole-resnet50-imagenet/stage1"},
            [f"r/models/whole-resnet50-imagenet/stage1/{file}" for file in ("model.keras", "provenance.json")],
        ),
    ],
    ids=["scratch", "download", "stand-in", "simsiam", "file", "parent"],
)
def test_what_a_stage_starts_from(training, pipeline, stage, start, files):
    config = config_of(**training)
    assert start_of(config, "r", pipeline, stage) == start
    assert start_files(config, "r", pipeline, stage) == files


def test_a_local_file_is_preferred_to_a_stand_in_and_that_to_the_download():
    given = (LOCAL | {"stand_in": {}}, {"stand_in": {}}, {})
    assert [imagenet_source(config_of(**each), "resnet50") for each in given] == ["file", "stand-in", "download"]


@pytest.mark.parametrize(
    ("pipelines", "training", "splits", "message"),
    [
        ({"backbones": [], "systems": ["li2021"]}, {}, {}, "simsiam is for backbones, and this run has none"),
        ({}, {"replicates": 2}, {"repeats": True}, "pre-trained on the training patients of one split"),
        ({}, {"simsiam": {"augmentation": {"crop": [0.9, 0.2]}}}, {}, "simsiam.augmentation.crop: 0.9 is above 0.2"),
    ],
)
def test_a_pre_training_that_makes_no_sense_is_refused(pipelines, training, splits, message):
    cohorts = {"public": {"role": "public", "format": "png", "root": "public", "table": "t.tsv"}}
    config = {"results": "r", "cohorts": cohorts, "training": training, "splits": splits}
    with pytest.raises(UserError, match=message):
        complete_config(config | {"pipelines": {"weights": ["simsiam"]} | pipelines})
    complete_config(config | {"pipelines": pipelines})


def test_the_settings_of_a_pre_training_change_no_other_training():
    config, other = config_of(), config_of(simsiam={"epochs": 3})
    assert settings_of_stage(config, "whole-resnet50-scratch", "1") == settings_of_stage(
        other, "whole-resnet50-scratch", "1"
    )
    shared = {name: config["training"][name] for name in ("image_size", "precision", "batch_norm_momentum")}
    assert simsiam_settings(other) == config["training"]["simsiam"] | {"epochs": 3} | shared
    paper = {"projector": 2048, "predictor": 512, "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 1e-4}
    assert paper.items() <= simsiam_settings(config).items()


def test_another_network_takes_the_place_of_a_backbone_and_the_settings_stay():
    config = config_of(networks={"resnet50": "shallow_resnet50"}, stand_in={})
    assert start_of(config, "r", "whole-resnet50-imagenet", "1")["weights"] == "r/stand_in/shallow_resnet50.weights.h5"
    plain = settings_of_stage(config_of(stand_in={}), "whole-resnet50-imagenet", "1")
    assert settings_of_stage(config, "whole-resnet50-imagenet", "1") == plain
    published = {"resnet50": "densenet121"} | {"densenet201": "shallow_densenet201"}
    assert network_of("turkoglu2021", {"networks": published}) == "shallow_densenet201"
    assert network_of("small_cnn", {"networks": published}) == "small_cnn"


@pytest.mark.parametrize("networks", [{"resnet5": "shallow_resnet50"}, {"resnet50": "tiny"}])
def test_an_unknown_network_is_refused(networks):
    with pytest.raises(
        UserError, match=r"training\.networks: '(resnet5|tiny)' in .* is not known; known are densenet121"
    ):
        check_pipelines(config_of(networks=networks))
