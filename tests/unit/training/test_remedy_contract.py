"""Remedies in a config: what a pipeline with one is called and trained with, and which requests are refused."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from lungsight.audit.attention_differences import AttentionPair, attention_pairs
from lungsight.config import config_schema
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.evaluation.leakage_inflation.settings import check_leakage
from lungsight.evaluation.performance_differences import Model, model_pairs
from lungsight.run_description import describe_run, input_views_of, models_of
from lungsight.training import remedies
from lungsight.training.pipelines import Pipeline, check_pipelines, pipelines_of, section_of, settings_of_pipeline
from lungsight.training.remedy_checks import check_patients_of_remedies
from lungsight.training.settings import settings_of_stage

COHORTS = {name: {"role": name, "format": "png", "root": name, "table": f"{name}.tsv"} for name in ("public", "target")}
ONE = {"frameworks": ["whole"], "backbones": ["resnet50"], "weights": ["scratch"]}
NONE_AND_SWAP = ONE | {"remedies": ["none", "lung_swap"]}


def config_of(pipelines: dict[str, Any], **training: Any) -> dict:
    method = {"method": "classical"}
    parts = {"results": "r", "cohorts": COHORTS, "segmentation": method}
    return complete_config({**parts, "pipelines": pipelines, "training": training})


def test_without_a_remedy_nothing_is_named_or_set() -> None:
    config = config_of(ONE)
    assert [pipeline.name for pipeline in pipelines_of(config)] == ["whole-resnet50-scratch"]
    assert "remed" not in json.dumps(describe_run(config))
    assert "remed" not in json.dumps(settings_of_stage(config, "whole-resnet50-scratch", "1"))
    assert section_of(Pipeline.parse("whole-resnet50-scratch")) == ONE


def test_a_remedy_is_the_last_word_of_a_name() -> None:
    config = config_of(NONE_AND_SWAP | {"systems": ["pathak2020"]})
    names = ["whole-resnet50-scratch", "whole-resnet50-scratch-lung_swap"]
    names += ["whole-pathak2020-imagenet", "whole-pathak2020-imagenet-lung_swap"]
    pipelines = pipelines_of(config)
    assert [pipeline.name for pipeline in pipelines] == names
    assert [Pipeline.parse(name) for name in names] == pipelines
    assert [name for name, stage in models_of(describe_run(config)) if stage == 1] == names
    assert input_views_of(describe_run(config)) == ["whole"]


def test_the_section_of_a_pipeline_with_a_remedy_configures_it_alone() -> None:
    pipeline = Pipeline.parse("whole-resnet50-scratch-style")
    assert pipelines_of(config_of(section_of(pipeline))) == [pipeline]


def test_a_remedy_of_the_background_makes_no_pipeline_of_segmented_slices() -> None:
    chosen = ONE | {"frameworks": ["whole", "segmented"], "remedies": ["none", "lung_swap", "style"]}
    names = [pipeline.name for pipeline in pipelines_of(config_of(chosen))]
    assert [name for name in names if name.startswith("segmented")] == [
        "segmented-resnet50-scratch",
        "segmented-resnet50-scratch-style",
    ]
    with pytest.raises(UserError, match="lung_swap is for whole slices, and no pipeline of this run sees them"):
        check_pipelines(config_of(NONE_AND_SWAP | {"frameworks": ["segmented"]}))


def test_a_training_has_the_settings_of_its_remedy_alone() -> None:
    config = config_of(ONE | {"remedies": ["lung_swap", "group_dro"]}, remedies={"lung_swap": {"margin": 0.1}})
    swap = settings_of_stage(config, "whole-resnet50-scratch-lung_swap", "1")
    assert swap["remedy"] == {"name": "lung_swap", "probability": 0.5, "margin": 0.1, "feather": 0.01}
    assert "remedies" not in swap and swap["weight_decay"] == 0
    weighted = settings_of_stage(config, "whole-resnet50-scratch-group_dro", "1")
    assert weighted["weight_decay"] == weighted["remedy"]["weight_decay"] == 0.1


def test_a_crop_shows_the_box_of_the_lung() -> None:
    config = config_of(ONE | {"remedies": ["crop"]})
    (pipeline,) = pipelines_of(config)
    assert settings_of_pipeline(pipeline, config["training"])["region"] == "lung_box"
    with pytest.raises(UserError, match=r"crop changes nothing of resnet50, which has training.region: lung_box"):
        check_pipelines(config_of(ONE | {"remedies": ["none", "crop"]}, region="lung_box"))


@pytest.mark.parametrize("name", remedies.names())
def test_a_remedy_says_what_it_does_and_costs(name: str) -> None:
    remedy, (title, rest) = remedies.load(name), remedies.description_of(name)
    assert title.endswith(".") and " cost" in rest
    assert set(remedy.instruments) <= set(remedies.INSTRUMENTS)
    assert set(remedy.needs) <= set(remedies.NEEDS)
    training = config_schema()["properties"]["training"]["properties"]
    assert set(remedy.training) <= set(training)


def test_generated_slices_are_made_once_for_pipelines_that_share_them() -> None:
    chosen = {
        "frameworks": ["whole"],
        "backbones": ["resnet50", "vgg16"],
        "weights": ["scratch"],
        "systems": ["wang2021"],
    }
    described = describe_run(config_of(chosen | {"remedies": ["none", "dcgan"]}))["generated"]
    assert [each["folder"] for each in described] == [
        "training/generated/dcgan/public/image/whole",
        "training/generated/dcgan/public/lung_box/whole",
        "training/generated/dcgan/target/image/whole",
        "training/generated/dcgan/target/lung_box/whole",
    ]
    assert {(each["cohort"], each["input_view"]) for each in described} == {("public", "whole"), ("target", "whole")}
    assert describe_run(config_of(chosen))["generated"] == []


def test_slices_are_generated_in_stages_that_need_them_alone() -> None:
    described = describe_run(config_of(ONE | {"remedies": ["none", "madani"]}))["generated"]
    assert [each["folder"] for each in described] == ["training/generated/madani/target/image/whole"]
    stages = (1, "1", 2, "2", "2-target-only")
    assert [remedies.load("madani").is_for(stage) for stage in stages] == [False, False, True, True, False]
    assert all(remedies.load("dcgan").is_for(stage) for stage in stages)


@pytest.mark.parametrize("remedy", ["dcgan", "madani"])
def test_generators_are_not_trained_on_test_patients_of_other_splits(remedy: str) -> None:
    chosen = config_of(ONE | {"remedies": ["none", remedy]}, replicates=2)
    check_pipelines(chosen)
    chosen["splits"]["repeats"] = True
    with pytest.raises(
        UserError, match=f"the generators of {remedy} are trained on the training patients of one split"
    ):
        check_pipelines(chosen)


def test_settings_are_of_known_remedies() -> None:
    section = config_schema()["properties"]["training"]["properties"]["remedies"]
    assert set(section["properties"]) <= set(remedies.names())


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(UserError, match=r"pipelines.remedies: 'lungswap' is not known; known are none, attention_pen"):
        check_pipelines(config_of(ONE | {"remedies": ["lungswap"]}))
    with pytest.raises(UserError, match=r"pipelines.remedies"):
        config_of(ONE | {"remedies": []})


def test_a_closed_form_takes_no_remedy_of_the_step() -> None:
    chosen = {"backbones": [], "systems": ["turkoglu2021"], "remedies": ["none", "style"]}
    with pytest.raises(UserError, match="style changes the training step, and turkoglu2021 has solver: closed_form"):
        check_pipelines(config_of(chosen))
    with pytest.raises(UserError, match="madani changes the training step, and turkoglu2021 has solver: closed_form"):
        check_pipelines(config_of(chosen | {"remedies": ["none", "madani"]}))
    check_pipelines(config_of(chosen | {"remedies": ["none", "crop"]}))


@pytest.mark.parametrize("name", ["cbam", "detrac"])
def test_a_closed_form_learns_no_other_network(name: str) -> None:
    with pytest.raises(UserError, match=f"{name} changes .*, and turkoglu2021 has solver: closed_form"):
        check_pipelines(config_of({"backbones": [], "systems": ["turkoglu2021"], "remedies": ["none", name]}))


def test_attention_is_refused_where_no_rule_says_what_it_weighs() -> None:
    chosen = {"frameworks": ["whole"], "weights": ["scratch"], "remedies": ["none", "cbam"]}
    check_pipelines(config_of(chosen | {"backbones": ["resnet50", "densenet201", "densenet121", "small_cnn"]}))
    weighed = "densenet121, densenet201, resnet50, shallow_densenet201, shallow_resnet50, small_cnn"
    message = f"that of vgg16 names none; {weighed} do. Leave cbam out"
    with pytest.raises(UserError, match=message):
        check_pipelines(config_of(chosen | {"backbones": ["resnet50", "vgg16"]}))
    with pytest.raises(UserError, match="that of xception names none"):
        check_pipelines(config_of({"backbones": [], "systems": ["ko2020_xception"], "remedies": ["none", "cbam"]}))
    config = config_of(ONE | {"remedies": ["cbam"]}, batch_norm_frozen=True)
    assert settings_of_stage(config, "whole-resnet50-scratch-cbam", "1")["batch_norm_frozen"] is False


def test_the_leakage_experiment_takes_no_remedy_that_its_network_cannot_have() -> None:
    config = config_of(ONE)
    config["leakage"] |= {"pipelines": ["whole-vgg16-scratch-cbam"], "cohort": "target"}
    with pytest.raises(UserError, match="that of vgg16 names none"):
        check_leakage(config)


def rows_of(*patients: tuple[str, str, str]) -> dict[str, list[Any]]:
    names = ("patient", "label", "source")
    rows = [
        SimpleNamespace(row=number, skip="", **dict(zip(names, row, strict=True)))
        for number, row in enumerate(patients, start=1)
    ]
    return {"public": rows, "target": rows}


BOTH = (("a", "Covid-19", "x"), ("b", "Covid-19", "y"), ("c", "Non Covid", "x"), ("d", "Non Covid", "y"))


@pytest.mark.parametrize(
    ("remedy", "patients", "problem"),
    [
        ("lung_swap", BOTH[:2], "public has 1 class"),
        ("lung_swap", BOTH[:1], "public has 1 class"),
        ("lung_swap", BOTH[:3], "public has one patient of Non Covid"),
        ("group_dro", (BOTH[0], BOTH[3]), "in public the source of a scan tells its class"),
        (
            "detrac",
            BOTH[:3],
            r"detrac parts each class into 2 .*, and public has 1 patient of Non Covid",
        ),
    ],
)
def test_patients_that_do_not_serve_a_remedy_are_refused_before_any_job(
    remedy: str, patients: tuple, problem: str
) -> None:
    config = config_of(ONE | {"remedies": ["none", remedy]})
    with pytest.raises(UserError, match=problem):
        check_patients_of_remedies(config, rows_of(*patients))
    check_patients_of_remedies(config, rows_of(*BOTH))
    check_patients_of_remedies(config_of(ONE), rows_of(*patients))


@pytest.mark.parametrize("remedy", ["domain_norm", "dann", "madani"])
def test_two_cohorts_with_the_same_classes_are_needed(remedy: str) -> None:
    config = config_of(ONE | {"remedies": ["none", remedy]})
    check_patients_of_remedies(config, rows_of(*BOTH))
    with pytest.raises(
        UserError, match=f"{remedy} takes images of each class of target from public too, which has none of Non Covid"
    ):
        check_patients_of_remedies(config, {"public": rows_of(*BOTH[:2])["public"], "target": rows_of(*BOTH)["target"]})
    with pytest.raises(UserError, match=f"{remedy} trains on the cohort of stage 1 .* has no target cohort"):
        check_patients_of_remedies(
            {**config, "cohorts": {"public": config["cohorts"]["public"]}}, {"public": rows_of(*BOTH)["public"]}
        )


def test_separate_statistics_are_not_frozen() -> None:
    config = config_of(ONE | {"remedies": ["domain_norm"]}, batch_norm_frozen=True)
    assert settings_of_stage(config, "whole-resnet50-scratch-domain_norm", "2")["batch_norm_frozen"] is False
    check_pipelines(config_of(ONE | {"remedies": ["none", "domain_norm"]}, batch_norm_frozen=False))


def test_models_that_differ_in_their_remedy_are_compared_with_none() -> None:
    names = ("whole-resnet50-scratch", "whole-resnet50-scratch-style", "whole-resnet50-scratch-crop")
    models = [Model(Pipeline.parse(name), stage) for name in names for stage in ("1", "2")]
    pairs = list(model_pairs(models))
    compared = [
        (pair.first.pipeline.remedy, pair.second.pipeline.remedy) for pair in pairs if pair.comparison == "remedy"
    ]
    assert sorted(compared) == [("", "crop")] * 2 + [("", "style")] * 2
    adapted = [pair for pair in pairs if pair.comparison == "adaptation"]
    assert [pair.first.pipeline for pair in adapted] == [pair.second.pipeline for pair in adapted] and len(adapted) == 3
    reversed_pairs = model_pairs([Model(Pipeline.parse(name), "1") for name in names[1::-1]])
    assert [pair.first.pipeline.remedy for pair in reversed_pairs] == [""]


def test_maps_are_compared_within_a_remedy() -> None:
    models = [(f"{view}-a-scratch{end}", 1) for view in ("whole", "segmented") for end in ("", "-style")]
    assert list(attention_pairs(models)) == [
        AttentionPair("framework", 1, f"whole-a-scratch{end}", f"segmented-a-scratch{end}") for end in ("", "-style")
    ]
