"""Systems of the literature: what a file must say, and what becomes of it in a config."""

from typing import Any

import pytest

from lungsight.config import config_schema
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.training import backbones, published_models
from lungsight.training.pipelines import Pipeline, check_pipelines, input_views_of, pipelines_of, section_of
from lungsight.training.settings import BY_STAGE, NOT_SETTINGS, settings_of_stage, start_of

COHORTS = {name: {"role": name, "format": "png", "root": name, "table": f"{name}.tsv"} for name in ("public", "target")}


def config_of(pipelines: dict[str, Any], **training: Any) -> dict:
    return complete_config({"results": "r", "cohorts": COHORTS, "pipelines": pipelines, "training": training})


@pytest.mark.parametrize("name", published_models.names())
def test_a_published_model_sets_keys_of_the_training_section_to_allowed_values(name: str) -> None:
    model = published_models.load(name)
    assert model.backbone in backbones.names()
    assert set(model.training) <= set(config_schema()["properties"]["training"]["properties"])
    assert not set(model.training) & {*BY_STAGE, *NOT_SETTINGS}
    config_of({}, **model.training)


def test_published_models_follow_the_combinations_and_can_be_chosen_alone() -> None:
    both = {"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"], "systems": ["bai2020"]}
    names = [pipeline.name for pipeline in pipelines_of(config_of(both))]
    assert names == ["whole-resnet50-scratch", "segmented-bai2020-imagenet"]
    assert input_views_of(config_of(both)) == ["whole", "segmented"]
    alone = config_of({"backbones": [], "systems": ["bai2020", "li2021"]})
    assert [pipeline.architecture for pipeline in pipelines_of(alone)] == ["bai2020", "li2021"]
    assert input_views_of(alone) == ["segmented", "whole"]


@pytest.mark.parametrize("name", ["segmented-bai2020-imagenet", "segmented-resnet50-scratch"])
def test_the_section_of_a_pipeline_configures_this_pipeline_alone(name: str) -> None:
    pipeline = Pipeline.parse(name)
    assert pipelines_of(config_of(section_of(pipeline))) == [pipeline]


def test_the_settings_of_a_published_model_hold_whatever_the_config_says() -> None:
    config = config_of({}, loss="class_weighted", region="image", epochs={"stage2": 7}, label_smoothing=0.1)
    settings = settings_of_stage(config, "whole-pathak2020-imagenet", "2")
    # The paper's loss is −w log p, without label smoothing.
    assert (settings["loss"], settings["label_smoothing"], settings["epochs"]) == ("cost_sensitive", 0, 7)
    assert settings_of_stage(config, "whole-li2021-imagenet", "2")["loss"] == "class_weighted"
    assert settings_of_stage(config, "whole-wang2021-imagenet", "1")["region"] == "lung_box"
    assert config["training"]["region"] == "image"


def test_a_published_model_starts_from_the_weights_of_its_backbone() -> None:
    file = {"densenet121": {"file": "chexnet.h5", "sha256": "ab" * 32}}
    config = config_of({"backbones": [], "systems": ["li2021"]}, imagenet=file)
    assert start_of(config, "r", "whole-li2021-imagenet", "1")["weights"] == "chexnet.h5"
    with pytest.raises(UserError, match=r"training.imagenet.densenet121.file: chexnet.h5 does not exist"):
        check_pipelines(config)


def test_an_impossible_pipeline_is_refused() -> None:
    for pipelines, training, message in (
        ({"backbones": []}, {}, "pipelines: nothing is chosen"),
        ({"systems": ["nobody1999"]}, {}, "'nobody1999' is not known; known are bai2020"),
        ({"backbones": ["bai2020"]}, {}, "pipelines.backbones: 'bai2020' is not known"),
        ({"systems": ["ko2020_xception"]}, {"image_size": 70}, "image_size: 70 is too small for xception"),
        (
            {"backbones": ["inceptionv3"]},
            {"image_size": 64},
            "image_size: 64 is too small for inceptionv3, which takes 75",
        ),
    ):
        with pytest.raises(UserError, match=message):
            check_pipelines(config_of(pipelines, **training))


def test_fconet_is_the_system_of_three_classes_and_says_so_with_two() -> None:
    (_, of_two), (_, of_three) = (published_models.description_of("ko2020_vgg16", classes) for classes in (2, 3))
    assert of_two.startswith("Substituted: the classes. The paper has 3 (COVID-19, other pneumonia, no pneumonia);")
    assert of_three == "Substituted: head and training are the run's."
    assert "classes" not in published_models.description_of("wang2021", 3)[1]
