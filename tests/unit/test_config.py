"""The config: defaults, and errors in sentences."""

import pytest
import yaml

from lungsight.config import cohorts_with_role, config_schema, presets_of, with_defaults
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.segmentation.settings import mask_origin
from lungsight.training.pipelines import Pipeline, pipelines_of
from tests.factories.workspace import ROOT

COHORT = {"role": "target", "format": "dicom", "root": "data", "table": "data.tsv"}
SMALLEST = {"results": "results/mine", "cohorts": {"hospital": COHORT}}


def errors(config):
    with pytest.raises(UserError) as caught:
        complete_config(config)
    return str(caught.value)


def test_the_smallest_config_gets_every_default():
    config = complete_config(SMALLEST)
    assert config["min_slices"] == 5 and config["seed"] == 2021
    assert config["intake"]["window"] == [-1250, 250]
    assert config["training"]["epochs"] == {"stage1": 50, "stage2": 50}
    assert config["cohorts"]["hospital"]["patients"] == "known"
    assert list(config["labels"]) == ["Covid-19", "Non Covid"]
    assert "phantom" not in config["cohorts"]["hospital"]


def test_the_users_config_is_not_changed_and_its_values_stay():
    written = SMALLEST | {"intake": {"png_size": 64}}
    config = complete_config(written)
    config["intake"]["window"].append(0)
    assert written["intake"] == {"png_size": 64} and config["intake"]["png_size"] == 64
    assert complete_config(written)["intake"]["window"] == [-1250, 250]


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml", "demo-quick.yaml"])
def test_the_shipped_configs_are_complete(name):
    complete_config(yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))


def test_wrong_keys_have_a_hint():
    assert "the config: unknown key pipeline; did you mean pipelines?" in errors(SMALLEST | {"pipeline": {}})
    assert "intake: unknown key windows; did you mean window?" in errors(SMALLEST | {"intake": {"windows": []}})
    assert "known keys: results, seed" in errors(SMALLEST | {"zzz": 1})


def test_wrong_types_and_values_are_named_with_their_place():
    assert "min_slices: 'five' is not a whole number." in errors(SMALLEST | {"min_slices": "five"})
    assert "splits.unit: 'pixel' is none of patient, patient+duplicates, source, slice." in errors(
        SMALLEST | {"splits": {"unit": "pixel"}}
    )
    cohort = {"hospital": {"role": "target"}}
    assert "cohorts.hospital: format, root must be given." in errors(SMALLEST | {"cohorts": cohort})


def test_a_word_that_yaml_reads_as_true_or_false_asks_for_quotes():
    config = yaml.safe_load("labels: {Covid-19: [covid], Non Covid: [no]}")
    assert "labels.Non Covid.0: write the word in quotes; YAML reads it as false." in errors(SMALLEST | config)


def test_everything_wrong_is_listed_at_once():
    message = errors(SMALLEST | {"seed": -1, "splits": {"unit": "x"}, "nonsense": 1})
    assert message.startswith("The config is not right:\n")
    assert len(message.splitlines()) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intake": {"window": [250, -1250]}}, "intake.window: 250 is not below -1250."),
        ({"splits": {"fractions": [0.5, 0.1, 0.1]}}, "splits.fractions: [0.5, 0.1, 0.1] do not sum to 1."),
        ({"labels": {"A": ["x"], "B": ["x"]}}, "labels: the word 'x' means both classes."),
        ({"labels": {"A": ["B"], "B": ["x"]}}, "labels: the word 'B' means both classes."),
        (
            {"labels": {1: ["x"], 0: ["y"]}},
            "labels: YAML reads a key as the number 1; write it in quotes, so that it is text.",
        ),
        ({"results": "my run"}, "results: 'my run' holds a space"),
        ({"intake": {"roi_names": {"left": ["(lung"]}}}, "intake.roi_names.left: '(lung' is no regular expression"),
        ({"cohorts": {"one": COHORT, "two": COHORT}}, "cohorts: 2 have the role target; one can."),
    ],
)
def test_contradictions_that_a_schema_cannot_find(change, message):
    assert message in errors(SMALLEST | change)


def test_a_written_key_wins_over_the_preset_of_the_segmentation():
    thesis = complete_config(SMALLEST)["segmentation"]
    assert (thesis["trainer"], thesis["batch_size"], thesis["learning_rate"], thesis["epochs"]) == (
        "thesis",
        12,
        1e-3,
        100,
    )
    assert not thesis["mirroring"] and not any(thesis["postprocessing"].values())
    today = complete_config(SMALLEST | {"segmentation": {"preset": "nnunet", "epochs": 50}})["segmentation"]
    assert (today["trainer"], today["batch_size"], today["learning_rate"], today["epochs"]) == (
        "nnunet",
        None,
        0.01,
        50,
    )
    assert set(presets_of("segmentation")) == set(
        config_schema()["properties"]["segmentation"]["properties"]["preset"]["enum"]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"training": {"learning_rate": {"stage1": float("nan")}}},
            "training.learning_rate.stage1: nan is not a number",
        ),
        ({"splits": {"fractions": [0.8, float("nan"), 0.1]}}, "splits.fractions.1: nan is not a number"),
        ({"intake": {"window": [-1000, float("inf")]}}, "intake.window.1: inf is not a number"),
        ({"seed": 2**32}, "seed: 4294967296 is greater than the maximum of 4294967295."),
        ({"cohorts": []}, "cohorts: a list stands where keys belong"),
    ],
)
def test_numbers_that_no_training_can_take(change, message):
    assert message in errors(SMALLEST | change)


def test_a_model_folder_and_the_classical_method_exclude_each_other():
    message = errors(SMALLEST | {"segmentation": {"method": "classical", "model": "trained"}})
    assert "segmentation.model: a given model is used by segmentation.method: nnunet alone." in message


def test_where_masks_come_from():
    for section, origin in (({}, "trained"), ({"model": "x"}, "given"), ({"method": "classical"}, "classical")):
        assert mask_origin(complete_config(SMALLEST | {"segmentation": section})) == origin


def test_defaults_fill_nested_objects():
    schema = {"properties": {"a": {"default": {}, "properties": {"b": {"default": 2}}}}}
    assert with_defaults({}, schema) == {"a": {"b": 2}}
    assert with_defaults({"a": {"c": 1}}, schema) == {"a": {"b": 2, "c": 1}}


def test_every_key_has_a_description():
    def walk(part, path):
        for name, item in part.get("properties", {}).items():
            if not item.get("description") and name not in ("results",):
                yield f"{path}{name}"
            yield from walk(item, f"{path}{name}.")
            if isinstance(item.get("additionalProperties"), dict):
                yield from walk(item["additionalProperties"], f"{path}{name}.*.")

    assert list(walk(config_schema(), "")) == []


def test_pipelines_are_all_combinations_and_are_parsed_from_their_name():
    config = complete_config(SMALLEST)
    pipelines = pipelines_of(config)
    assert len(pipelines) == 8 and pipelines[0].name == "whole-resnet50-scratch"
    assert [Pipeline.parse(pipeline.name) for pipeline in pipelines] == pipelines


def test_one_table_cannot_be_two_cohorts():
    message = errors(SMALLEST | {"cohorts": {"a": COHORT, "b": COHORT | {"role": "external"}}})
    assert "a and b are the same root and table" in message
    written_otherwise = COHORT | {"role": "external", "root": "./data/", "table": "x/../data.tsv"}
    assert "a and b are the same" in errors(SMALLEST | {"cohorts": {"a": COHORT, "b": written_otherwise}})


def test_cohorts_by_role():
    config = complete_config(
        SMALLEST | {"cohorts": {"a": COHORT, "b": COHORT | {"role": "external", "table": "b.tsv"}}}
    )
    assert cohorts_with_role(config, "external", "target") == ["a", "b"]
    assert cohorts_with_role(config, "public") == []
