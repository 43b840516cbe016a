"""What systems of the literature ask of the training room's rules, on a small network."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.files import read_json
from lungsight.tables import read_table, write_table
from lungsight.training.pipelines import PATIENT_PREDICTION
from tests.factories.tables import made_cohort
from tests.rules.test_training import FILES, MODEL, SIZE, made_images, workspace


def test_bags_of_slices_are_trained_and_predicted(tmp_path: Path) -> None:
    """Patients have an answer of their own, which the metrics by patient are made of."""
    space = workspace(tmp_path, bag_size=2, head="dense", head_activation="relu", loss="cost_sensitive")
    split = made_images(space.run_folder, "curated")
    space.must_run("train_stage", *(f"{MODEL}/{name}" for name in FILES))
    space.must_run("infer_cohort", f"{MODEL}/predictions/curated.tsv")
    predictions = read_table(space.run_folder / MODEL / "predictions/curated.tsv", "predictions")
    assert list(predictions["slice"]) == list(split["slice"])
    assert (predictions.groupby("patient")[PATIENT_PREDICTION].nunique() == 1).all()
    assert not np.allclose(predictions[PATIENT_PREDICTION], predictions["probability"], atol=1e-7)


def test_train_stage_in_closed_form(tmp_path: Path) -> None:
    """Solved anew in stage 2, on the network that stage 1 had."""
    space = workspace(tmp_path, solver="closed_form", head="extreme_learning_machines")
    for cohort in ("curated", "hospital"):
        made_images(space.run_folder, cohort)
    second = MODEL.replace("stage1", "stage2")
    done = space.snakemake(
        *("--cores", "2", "--show-failed-logs", "--allowed-rules", "train_stage", "--"),
        f"{space.results}/{second}/model.keras",
    )
    assert done.returncode == 0, done.stdout
    for folder in (MODEL, second):
        history = read_table(space.run_folder / folder / "history.tsv", "history")
        assert list(history["stopped"]) == ["solved in closed form"] and history["learning_rate"].isna().all()
    found = read_json(space.run_folder / second / "provenance.json")
    assert found["weights"]["kind"] == "parent" and found["model"]["parameters"] > 0
    assert found["model"]["bytes"] == (space.run_folder / second / "model.keras").stat().st_size


def test_image_cache_of_region(tmp_path: Path) -> None:
    space = workspace(tmp_path, region="lung_box")
    space.config["segmentation"] = {"method": "classical"}
    space.write_config()
    made_cohort(space.run_folder, "curated", patients=3, slices=2, size=64)
    images = "training/images/curated"
    planned = space.snakemake("-n", "--forceall", f"{space.results}/{MODEL}/model.keras").stdout
    assert f"{images}/lung_box/000/whole.npy" in planned and f"{images}/000/whole.npy" not in planned
    space.must_run("image_cache", f"{images}/000/whole.npy")
    space.must_run("image_cache_of_region", f"{images}/lung_box/000/whole.npy")
    boxes, whole = (np.load(space.run_folder / images / f"{region}000/masks.npy") for region in ("lung_box/", ""))
    assert boxes.shape == whole.shape == (6, SIZE, SIZE)
    assert boxes.mean() > 1.3 * whole.mean()
    index = read_table(space.run_folder / images / "lung_box/000/index.tsv", "image_index")
    assert index["width"].between(0.7, 0.85).all()


def test_image_index_of_region(tmp_path: Path) -> None:
    space = workspace(tmp_path, region="lung_box")
    slices = made_cohort(space.run_folder, "curated", patients=2, slices=2, size=64)["slice"]
    folder = space.run_folder / "training/images/curated/lung_box"
    write_table(folder / "000/index.tsv", pd.DataFrame({"slice": slices[::-1], "width": 0.8}), "image_index")
    space.must_run("image_index_of_region", "training/images/curated/lung_box/index.tsv")
    index = read_table(folder / "index.tsv", "image_index")
    assert index["slice"].tolist() == slices.tolist() and index["row"].tolist() == [3, 2, 1, 0]
    assert (index["width"] == 0.8).all()
