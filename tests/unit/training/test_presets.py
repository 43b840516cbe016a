"""Presets of the training: what a word sets, and that a key in the config wins."""

import pytest
import yaml

from lungsight.config import presets_of
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from tests.factories.workspace import ROOT

COHORTS = {"open": {"role": "public", "format": "png", "root": "open", "table": "open.tsv"}}


def training(**settings: object) -> dict:
    return complete_config({"results": "results/x", "cohorts": COHORTS, "training": settings})["training"]


def test_the_default_is_the_thesis_with_its_printed_settings() -> None:
    assert training() == training(preset="thesis")
    settings = training()
    assert (settings["image_size"], settings["head"], settings["head_units"], settings["head_activation"]) == (
        256,
        "dense",
        1024,
        "sigmoid",
    )
    assert settings["learning_rate"] == {"stage1": 1e-6, "stage2": 1e-6}
    assert settings["augmentation"] == {
        **{"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.2, 1.0]}
    }
    off = ("weight_decay", "warmup_epochs", "label_smoothing", "batch_norm_frozen", "early_stopping")
    assert not any(settings[name] for name in off)
    assert (settings["loss"], settings["learning_rate_schedule"]) == ("binary_crossentropy", "constant")


def test_modern_sets_what_it_lists_and_nothing_else() -> None:
    listed = presets_of("training")["modern"]
    augmentation = training()["augmentation"] | listed["augmentation"]
    assert training(preset="modern") == training() | listed | {"preset": "modern", "augmentation": augmentation}


@pytest.mark.parametrize("name", presets_of("training")["modern"])
def test_every_key_of_modern_can_be_set_back(name: str) -> None:
    plain = training()[name]
    assert training(preset="modern", **{name: plain})[name] == plain


def test_the_config_can_change_one_stage_of_a_preset() -> None:
    rates = training(preset="modern", learning_rate={"stage2": 1e-5})["learning_rate"]
    assert rates == {"stage1": presets_of("training")["modern"]["learning_rate"]["stage1"], "stage2": 1e-5}


def test_a_preset_does_not_change_the_users_config() -> None:
    config = {"results": "results/x", "cohorts": COHORTS, "training": {"preset": "modern"}}
    text = yaml.safe_dump(config)
    complete_config(config)
    assert yaml.safe_dump(config) == text


def test_presets_name_keys_of_the_config_alone() -> None:
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    keys = schema["properties"]["training"]["properties"]
    for preset in presets_of("training").values():
        assert set(preset) <= set(keys)


def test_a_warm_up_as_long_as_the_training_is_refused() -> None:
    with pytest.raises(UserError, match=r"training\.warmup_epochs: 1 leaves nothing of 1 in stage2"):
        training(preset="modern", epochs={"stage2": 1})


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match=r"training\.preset: 'moder' is none of thesis, modern"):
        training(preset="moder")
