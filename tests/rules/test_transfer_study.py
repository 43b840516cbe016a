"""The transfer study on a tiny made run: from a model of stage 1 to the page."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from lungsight.config_check import complete_config
from lungsight.files import write_json
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier
from tests.factories.run import made_workspace
from tests.factories.tables import POSITIVE, made_cohort, made_manifest, made_split, save_images
from tests.factories.workspace import Workspace

SIZE = 32
PIPELINE = "whole-small_cnn-scratch"
STUDY = {"depths": [0, 4], "patients": [2, 30], "draws": 2, "slices_per_patient": 1, "epochs": 1}
ROLES = {"curated": "public", "hospital": "target"}


def workspace(folder: Path, roles: dict[str, str] = ROLES, **study: object) -> Workspace:
    training = {"image_size": SIZE, "batch_size": 8, "threads": 1, "head_units": 4}
    return made_workspace(
        folder,
        roles,
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]},
        training=training | {"learning_rate": {"stage1": 1e-3, "stage2": 1e-3}},
        transfer_study=STUDY | study,
    )


def made_start(space: Workspace) -> None:
    """A model of stage 1 that has learned nothing, and the target cohort's images, whose positives are brighter."""
    run = space.run_folder
    slices = made_cohort(run, "hospital", patients=16, slices=3, size=SIZE)
    made_manifest(run, "hospital", slices)
    made_split(run, "hospital", "whole", slices)
    rng = np.random.default_rng(0)
    level = np.where(slices["label"] == POSITIVE, 150, 70)[:, None, None]
    images = (level + rng.normal(0, 8, (len(slices), SIZE, SIZE))).clip(0, 255).astype(np.uint8)
    save_images(run / "training/images/hospital", slices[["slice"]], whole=images, masks=np.ones_like(images))
    keras.utils.set_random_seed(0)
    settings = complete_config({"results": "made"} | space.config)["training"]
    backbone, stage1 = backbones.load("small_cnn"), run / f"models/{PIPELINE}/stage1"
    stage1.mkdir(parents=True)
    build_classifier(backbone, settings).save(stage1 / "model.keras")
    described = {"backbone": "small_cnn", "preprocessing": backbone.preprocessing, "image_size": SIZE}
    write_json(stage1 / "provenance.json", described | {"weights": {"kind": "scratch", "origin": "scratch"}})


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Workspace:
    space = workspace(tmp_path_factory.mktemp("transfer"))
    made_start(space)
    space.must_reach("transfer_study", "transfer_training", "transfer_tables", "transfer_page")
    return space


def test_transfer_training(finished):
    """A row for each cell; asked for more patients than there are, it takes all of them."""
    two, one = (
        read_table(finished.run_folder / f"transfer_study/{PIPELINE}/{start}.tsv", "transfer_study")
        for start in ("stage1", "one_stage")
    )
    cells = two.groupby(["frozen_blocks", "selection", "patients"])["draw"].apply(list)
    kinds = [(0, "all"), (0, "entropy"), (0, "random"), (4, "all")]
    assert cells.to_dict() == {(*kind, number): [1, 2] for kind in kinds for number in (2, 8)}
    assert (two["slices"] == two["patients"] * np.where(two["selection"] == "all", 3, 1)).all()
    assert set(one["frozen_blocks"]) == {0}
    assert len(one) == 4
    for table in (two, one):
        assert table["roc_auc"].between(0, 1).all()
        assert (table["blocks"] == 4).all()
        assert (table["epochs"] == 1).all()
    checkpoints = finished.run_folder / "training/checkpoints"
    assert not list(checkpoints.rglob("*.*"))


def test_transfer_tables(finished):
    folder = finished.run_folder
    trainings = read_table(folder / "report/transfer_study.tsv", "transfer_study")
    parts = [
        read_table(folder / f"transfer_study/{PIPELINE}/{start}.tsv", "transfer_study")
        for start in ("stage1", "one_stage")
    ]
    pd.testing.assert_frame_equal(trainings, pd.concat(parts, ignore_index=True))
    summary = read_table(folder / "report/transfer_summary.tsv", "transfer_summary")
    assert summary.groupby("quantity").size().to_dict() == {
        **{"entropy_minus_random": 2, "roc_auc": 10, "two_stages_minus_one": 2}
    }
    first = summary.iloc[0]
    same = trainings.merge(first.to_frame().T[["start", "frozen_blocks", "patients", "selection"]].infer_objects())
    assert first["mean"] == pytest.approx(same["roc_auc"].mean())


def test_transfer_page(finished):
    """One picture and one table, in one file that opens without a network."""
    page = (finished.run_folder / "report/transfer_study.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert page.count("<table") == 1
    assert "the head alone" in page
    assert 'src="' not in page


def test_transfer_study(finished, tmp_path):
    """Done, it is not done again. What it cannot do is refused before any job; a run without it never asks."""
    done = finished.snakemake("--cores", "1", "--", "transfer_study", "--dry-run")
    assert "transfer_training" not in done.stdout
    refused = workspace(tmp_path, {"curated": "public"})
    failed = refused.snakemake("--cores", "1", "--", "transfer_study")
    assert failed.returncode != 0
    assert "transfer_study: the config has no cohort with role: target" in failed.stdout
    deep = workspace_deep(tmp_path / "deep")
    assert "5 blocks cannot be frozen, small_cnn has 4" in deep.snakemake("--cores", "1", "--", "transfer_study").stdout
    listed = deep.snakemake("--cores", "1", "--dry-run", "--quiet", "rules", "--", "train")
    assert "blocks cannot be frozen" not in listed.stdout


def workspace_deep(folder: Path) -> Workspace:
    folder.mkdir()
    return workspace(folder, depths=[0, 5])
