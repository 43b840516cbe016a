"""Which files of a run the report asks for."""

from lungsight.config_check import complete_config
from lungsight.run_description import describe_run, page_inputs


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
    assert set(shown["training"]) == set(config["training"]) - {"imagenet", "threads", "gpus"}
    assert "private" not in str(shown)
