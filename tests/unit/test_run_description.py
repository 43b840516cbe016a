"""Which files of a run the report asks for."""

import json

import pytest

from lungsight.config_check import complete_config
from lungsight.run_description import describe_run, metrics_inputs, models_of, page_inputs, saliency_inputs


def inputs_of(roles: dict[str, str], **more: dict) -> list[str]:
    cohorts = {name: {"role": role, "format": "dicom", "root": name, "table": name} for name, role in roles.items()}
    return page_inputs(describe_run(complete_config({"results": "results/x", "cohorts": cohorts} | more)))


def test_a_classical_mask_needs_no_contours_and_gives_models():
    paths = inputs_of({"curated": "public", "hospital": "target"}, segmentation={"method": "classical"})
    assert "qc/hospital/manifest.tsv" in paths
    assert "models/whole-resnet50-scratch/stage2/history.tsv" in paths
    assert not [path for path in paths if path.startswith("segmentation/")]


def test_without_masks_there_is_nothing_to_train():
    paths = inputs_of({"curated": "public", "hospital": "target"})
    assert not [path for path in paths if path.startswith(("models/", "qc/", "explain/"))]


def test_contours_are_compared_with():
    paths = inputs_of({"nsclc": "segmentation", "curated": "public", "hospital": "target"})
    assert "segmentation/metrics.tsv" in paths


def test_every_setting_of_the_training_is_shown_but_no_path():
    weights = {"resnet50": {"file": "private/weights.h5", "sha256": "0" * 64}}
    cohorts = {"hospital": {"role": "target", "format": "dicom", "root": "scans", "table": "t.tsv"}}
    config = complete_config({"results": "results/x", "cohorts": cohorts, "training": {"imagenet": weights}})
    shown = describe_run(config)["settings"]
    # Of the remedies those that a pipeline takes.
    assert set(shown["training"]) == set(config["training"]) - {"imagenet", "threads", "gpus", "remedies", "simsiam"}
    config["pipelines"]["remedies"] = ["none", "style"]
    taken = describe_run(config)["settings"]["training"]["remedies"]
    assert taken == {"style": config["training"]["remedies"]["style"]}
    config["pipelines"]["weights"] = ["scratch", "simsiam"]
    assert describe_run(config)["settings"]["training"]["simsiam"] == config["training"]["simsiam"]
    assert "private" not in str(shown)


def description_with(roles: dict[str, str], **settings: object) -> dict:
    cohorts = {
        name: {"role": role, "format": "dicom", "root": "secret/scans", "table": f"secret/{name}.tsv"}
        for name, role in roles.items()
    }
    return describe_run(complete_config({"results": "results/x", "cohorts": cohorts} | settings))


@pytest.mark.parametrize(
    ("roles", "models", "splits"),
    [
        ({"lungs": "segmentation", "open": "public", "clinic": "target"}, 16, 4),
        ({"lungs": "segmentation", "open": "public"}, 8, 2),
        ({"lungs": "segmentation", "clinic": "target"}, 0, 0),
        ({"clinic": "target"}, 0, 0),
    ],
)
def test_a_page_needs_what_the_cohorts_allow(roles: dict[str, str], models: int, splits: int) -> None:
    description = description_with(roles)
    wanted = page_inputs(description)
    assert len(models_of(description)) == models
    assert len(metrics_inputs(description)) == len(saliency_inputs(description)) == 2 * models
    assert sum(path.startswith("splits/") for path in wanted) == splits
    assert sum(path.startswith("cohorts/") and path.endswith("cases.tsv") for path in wanted) == len(roles)
    assert ("segmentation/metrics.tsv" in wanted) == ("lungs" in roles)
    assert ("report/leakage.tsv" in wanted) == (models > 0)


def test_a_description_holds_no_path_of_the_user() -> None:
    description = description_with({"clinic": "target"}, qc={"decisions": "secret/decisions"})
    assert "secret" not in json.dumps(description)
