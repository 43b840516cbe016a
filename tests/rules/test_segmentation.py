"""Every rule of the segmentation by itself. One network is trained, for the whole module."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lungsight.files import read_json, sha256_of, write_json
from lungsight.segmentation.model_folder import CHECKPOINT
from lungsight.segmentation.nnunet import CONFIGURATION, DATASET
from lungsight.tables import columns_of, read_table, write_table
from tests.factories.tables import SHARD, made_cohort
from tests.factories.workspace import ROOT, Workspace

CONFIG = {
    "segmentation": {
        **{"fractions": [0.5, 0.17, 0.33], "batch_size": 4, "epochs": 2, "iterations": 20},
        **{"validation_iterations": 2, "patch_size": [64, 64], "max_features": 16, "threads": 1},
    }
}
TRAINING_RULES = ("segmentation_split", "nnunet_prepare", "nnunet_train", "segment_shard", "segmentation_metrics")
PICTURES = ("segmentation/curve.png", "segmentation/worst.png")
METRICS = "results/test/segmentation/metrics.tsv"
PATIENTS, SLICES, SPACING = 6, 3, (2.0, 2.0, 1.5)


def new_workspace(folder: Path, **segmentation: object) -> Workspace:
    """A run with converted cases and true masks of an annotated cohort, and a cohort of pictures to segment."""
    cohorts = {}
    roles = {"annotated": ("segmentation", "dicom"), "pictures": ("public", "png")}
    for name, (role, file_format) in roles.items():
        root, table = folder / "data" / name, folder / f"{name}.tsv"
        rows = pd.DataFrame({"patient": [f"p{n}" for n in range(PATIENTS)], "path": [f"{n}" for n in range(PATIENTS)]})
        rows = rows.assign(label="Covid-19", mask="contours" if role == "segmentation" else "")
        for file in ["contours", *rows["path"]]:
            (root / file).mkdir(parents=True)
        rows.to_csv(table, sep="\t", index=False)
        cohorts[name] = {"role": role, "format": file_format, "root": f"data/{name}", "table": f"{name}.tsv"}
    settings = CONFIG["segmentation"] | segmentation
    workspace = Workspace(folder, {"cohorts": cohorts, "segmentation": settings})
    run = workspace.run_folder
    made_cohort(run, "annotated", patients=PATIENTS, slices=SLICES, seed=1, png=False)
    made_cohort(run, "pictures", patients=PATIENTS, slices=1, seed=2)
    for cohort in cohorts:
        shutil.move(run / "segmentation" / "masks" / cohort, run / "cohorts" / cohort / "truth")
    thin_slices(run / "cohorts" / "annotated")
    return workspace


def thin_slices(folder: Path) -> None:
    """Give the volumes slices nearer to each other than their pixels are."""
    for path in folder.rglob("*.nii.gz"):
        image = nibabel.load(path)
        data = np.asanyarray(image.dataobj)
        nibabel.save(nibabel.Nifti1Image(data, np.diag([*SPACING, 1])), path)


def edit_cases(workspace: Workspace, cohort: str, **columns: object) -> None:
    folder = workspace.run_folder / "cohorts" / cohort
    for path, schema in ((folder / "cases.tsv", "cases"), (folder / "shards" / SHARD / "cases.tsv", "converted_cases")):
        table = read_table(path, schema)
        known = {name: values for name, values in columns.items() if name in table}
        table.assign(**known).to_csv(path, sep="\t", index=False)


def array_of(path: Path) -> np.ndarray:
    return np.asanyarray(nibabel.load(path).dataobj)


def dice_of_folders(predicted: Path, truth: Path) -> list[float]:
    pairs = [(array_of(path), array_of(truth / path.name)) for path in sorted(predicted.glob("*.nii.gz"))]
    return [2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = new_workspace(tmp_path_factory.mktemp("segmentation"))
    workspace.must_run("segmentation_split", "segmentation/split.tsv")
    workspace.must_run("nnunet_prepare", "segmentation/nnunet")
    return workspace


@pytest.fixture(scope="module")
def trained(prepared: Workspace) -> Workspace:
    prepared.must_run("nnunet_train", "segmentation/model")
    return prepared


@pytest.fixture(scope="module")
def segmented(trained: Workspace) -> Workspace:
    shards = [f"segmentation/masks/{cohort}/{SHARD}" for cohort in trained.config["cohorts"]]
    trained.must_run("segment_shard", *shards)
    return trained


def test_segmentation_split(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path)
    workspace.must_run("segmentation_split", "segmentation/split.tsv")
    cases = read_table(workspace.run_folder / "cohorts" / "annotated" / "cases.tsv", "cases")
    split = read_table(workspace.run_folder / "segmentation" / "split.tsv", "segmentation_split")
    assert list(split["case"]) == list(cases["case"])
    assert split["split"].value_counts().to_dict() == {"train": 3, "test": 2, "val": 1}

    edit_cases(workspace, "annotated", status=["ok", "ok"] + ["rejected"] * 4, shard=[SHARD] * 2 + [""] * 4)
    refused = workspace.run_rule("segmentation_split", "segmentation/split.tsv")
    assert refused.returncode != 0
    assert "has 2 usable patients (4 of 6 rows were left out" in refused.stdout
    assert "Traceback" not in refused.stdout


def test_nnunet_prepare(prepared: Workspace) -> None:
    folder = prepared.run_folder / "segmentation" / "nnunet"
    split = read_table(prepared.run_folder / "segmentation" / "split.tsv", "segmentation_split")
    rows = {side: [f"row_{n + 1:06d}" for n in split.index[split["split"] == side]] for side in ("train", "val")}
    preprocessed = folder / "preprocessed" / DATASET
    assert read_json(preprocessed / "splits_final.json") == [rows]
    images = {path.name.removesuffix("_0000.nii.gz") for path in (folder / "raw" / DATASET / "imagesTr").iterdir()}
    assert images == {*rows["train"], *rows["val"]}  # no test case where training could see it
    plans = read_json(preprocessed / "nnUNetPlans.json")["configurations"]
    assert set(plans) == {"2d", CONFIGURATION}
    own = plans[CONFIGURATION]
    assert (own["batch_size"], own["patch_size"]) == (4, [64, 64])
    network = own["architecture"]["arch_kwargs"]
    assert network["features_per_stage"] == [16] * network["n_stages"]
    assert plans["2d"]["normalization_schemes"] == ["NoNormalization"]
    assert plans["2d"]["spacing"] == [2.0, 2.0]  # axial, although slices are nearer to each other than pixels


def test_nnunet_train(trained: Workspace) -> None:
    folder = trained.run_folder / "segmentation"
    training = read_table(folder / "training.tsv", "segmentation_training")
    assert list(training["epoch"]) == [1, 2]
    assert training["train_loss"].iloc[1] < training["train_loss"].iloc[0]
    assert set(training["learning_rate"]) == {0.001}  # the thesis's: it stays
    files = [
        path for path in (folder / "model").rglob("*") if path.is_file() and not path.name.startswith(".snakemake")
    ]
    described = {"plans.json", "dataset.json", "dataset_fingerprint.json", "training.json"}
    assert {str(path.relative_to(folder / "model")) for path in files} == {*described, "fold_0/checkpoint_final.pth"}
    assert not (folder / ".training").exists()
    checkpoint = torch.load(folder / "model" / "fold_0" / "checkpoint_final.pth", weights_only=False)
    assert set(checkpoint) == {
        *("network_weights", "init_args", "inference_allowed_mirroring_axes", "trainer_name"),
    }
    everything = b"".join(path.read_bytes() for path in files)
    log = (trained.run_folder / "logs" / "nnunet_train.log").read_text()
    assert "epoch 2 of 2 done" in log
    for secret in (str(trained.folder), str(Path.home())):
        assert secret.encode() not in everything
        assert secret not in log


def kill_at(command: list[str], words: str) -> None:
    """Start a training and kill it, past mercy, when a line of its log starts with these words."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if line.startswith(words):
                process.kill()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "moments",
    [
        ["epoch 1 of 2 done"],
        pytest.param(["epoch 1 of 2 done", "Epoch 1"], marks=pytest.mark.long, id="again in the second epoch"),
    ],
)
def test_killed_training_goes_on(trained: Workspace, tmp_path: Path, moments: list[str]) -> None:
    """Killed after the first epoch, it trains only the second, to the very weights of the unbroken training."""
    run = trained.run_folder / "segmentation"
    recorded = read_json(run / "model" / "training.json")
    names = ("trainer", "learning_rate", "epochs", "iterations", "validation_iterations")
    command = [
        *(sys.executable, str(ROOT / "workflow" / "scripts" / "nnunet_train.py"), "--dataset", str(run / "nnunet")),
        *("--settings", json.dumps({name: recorded[name] for name in (*names, "seed")})),
        *("--threads", "1", "--unfinished", str(tmp_path / "unfinished"), "--model", str(tmp_path / "model")),
        *("--training", str(tmp_path / "training.tsv")),
    ]
    for moment in moments:
        kill_at(command, moment)
    assert not (tmp_path / "model").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "epoch 2 of 2 done" in done.stderr
    assert "epoch 1 of 2 done" not in done.stderr
    unbroken, resumed = (
        torch.load(folder / "model" / "fold_0" / "checkpoint_final.pth", weights_only=False)["network_weights"]
        for folder in (run, tmp_path)
    )
    assert all(torch.equal(unbroken[name], resumed[name]) for name in unbroken)
    columns = ["epoch", "train_loss", "val_loss", "dice"]
    tables = [read_table(folder / "training.tsv", "segmentation_training")[columns] for folder in (run, tmp_path)]
    pd.testing.assert_frame_equal(*tables)


def test_adopt_model(segmented: Workspace, tmp_path: Path) -> None:
    """A model that was trained in another run gives the same masks here, without a cohort to train on."""
    trained = segmented.run_folder / "segmentation" / "model"
    workspace = new_workspace(tmp_path, model=str(trained))
    compared = workspace.snakemake("--dry-run", "segment").stdout
    assert "segmentation_metrics" in compared and "nnunet_" not in compared
    del workspace.config["cohorts"]["annotated"]
    workspace.write_config()
    workspace.must_run("adopt_model", "segmentation/model")
    model = workspace.run_folder / "segmentation" / "model"
    assert read_json(model / "plans.json") == read_json(trained / "plans.json")
    recorded = read_json(model / "training.json")
    assert recorded["sha256"] == [sha256_of(trained / "fold_0" / CHECKPOINT)]
    for path in (model / "training.json", workspace.run_folder / "logs" / "adopt_model.log"):
        assert str(trained.parent) not in path.read_text()
    workspace.must_run("segment_shard", f"segmentation/masks/pictures/{SHARD}")
    masks = f"segmentation/masks/pictures/{SHARD}"
    for path in sorted((workspace.run_folder / masks).glob("*.nii.gz")):
        np.testing.assert_array_equal(array_of(path), array_of(segmented.run_folder / masks / path.name))


def test_a_model_that_cannot_be_used_stops_the_run(trained: Workspace, tmp_path: Path) -> None:
    """Of another task: before any job. With weights that do not fit: in the job that adopts it."""
    given = tmp_path / "given"
    shutil.copytree(trained.run_folder / "segmentation" / "model", given)
    workspace = new_workspace(tmp_path, model=str(given))
    dataset = read_json(given / "dataset.json")
    write_json(given / "dataset.json", dataset | {"labels": {"background": 0, "liver": 1}})
    refused = workspace.snakemake("--dry-run", "intake")
    assert refused.returncode != 0
    assert "none of its labels is lung: they are background, liver" in refused.stdout

    write_json(given / "dataset.json", dataset)
    checkpoint = torch.load(given / "fold_0" / CHECKPOINT, weights_only=False)
    checkpoint["network_weights"].popitem()
    torch.save(checkpoint, given / "fold_0" / CHECKPOINT)
    refused = workspace.run_rule("adopt_model", "segmentation/model")
    assert refused.returncode != 0
    assert "its weights do not fit the network that its plans.json describes" in refused.stdout
    assert "Traceback" not in refused.stdout

    (given / "fold_0" / CHECKPOINT).write_bytes(b"no weights")
    refused = workspace.run_rule("adopt_model", "segmentation/model")
    assert "cannot be read as nnU-Net weights" in refused.stdout and "Traceback" not in refused.stdout


def test_segment_shard(segmented: Workspace) -> None:
    run = segmented.run_folder
    for cohort, slices in (("pictures", 1), ("annotated", SLICES)):
        masks = sorted((run / "segmentation" / "masks" / cohort / SHARD).glob("*.nii.gz"))
        dice = dice_of_folders(masks[0].parent, run / "cohorts" / cohort / "truth" / SHARD)
        assert len(dice) == PATIENTS
        assert min(dice) > 0.9, cohort
        mask, image = nibabel.load(masks[0]), nibabel.load(run / "cohorts" / cohort / "nifti" / SHARD / masks[0].name)
        assert mask.get_data_dtype() == np.uint8
        assert mask.shape == image.shape == (64, 64, slices)
        np.testing.assert_array_equal(mask.affine, image.affine)


def test_segmentation_metrics(segmented: Workspace) -> None:
    segmented.must_run("segmentation_metrics", "segmentation/metrics.tsv")
    run = segmented.run_folder
    metrics = read_table(run / "segmentation" / "metrics.tsv", "segmentation_metrics").set_index("case")
    masks, truth = run / "segmentation" / "masks" / "annotated" / SHARD, run / "cohorts" / "annotated" / "truth" / SHARD
    names = [path.name.removesuffix(".nii.gz") for path in sorted(masks.glob("*.nii.gz"))]
    np.testing.assert_allclose(metrics.loc[names, "dice"], dice_of_folders(masks, truth), rtol=1e-12)
    assert set(metrics["split"]) == {"train", "val", "test"}
    expected = [array_of(truth / f"{name}.nii.gz").sum() * np.prod(SPACING) / 1000 for name in names]
    np.testing.assert_allclose(metrics.loc[names, "true_ml"], expected, rtol=1e-6)
    np.testing.assert_allclose(metrics["volume_error"], metrics["predicted_ml"] / metrics["true_ml"] - 1, rtol=1e-12)
    assert metrics["surface_distance_95"].between(0, 10).all()


def test_segmentation_figures(segmented: Workspace) -> None:
    """Drawn from tables and masks, without the network."""
    segmented.must_run("segmentation_metrics", "segmentation/metrics.tsv")
    segmented.must_run("segmentation_figures", *PICTURES)
    sizes = []
    for path in PICTURES:
        with Image.open(segmented.run_folder / path) as picture:
            sizes.append(picture.size)
    assert sizes == [(1814, 518), (979, 1065)]  # three panels; four cases in two lines


def test_segment(segmented: Workspace) -> None:
    """Masks of every shard, and how well they agree with the contours; nothing is trained again."""
    segmented.must_reach("segment", "segmentation_metrics", "segmentation_figures")
    made = [segmented.run_folder / "segmentation/metrics.tsv", *(segmented.run_folder / path for path in PICTURES)]
    assert all(path.is_file() for path in made)
    assert "Nothing to be done" in segmented.snakemake("-n", "--allowed-rules", "segment", "--", "segment").stdout


def test_slices_are_split_prepared_and_measured_one_by_one(tmp_path: Path) -> None:
    """Truth stands for the prediction: nothing is trained here."""
    workspace = new_workspace(tmp_path, split_unit="slice")
    run = workspace.run_folder
    workspace.must_run("segmentation_split", "segmentation/split.tsv")
    workspace.must_run("nnunet_prepare", "segmentation/nnunet")
    split = read_table(run / "segmentation" / "split.tsv", "segmentation_split")
    assert split["split"].value_counts().to_dict() == {"train": 9, "test": 6, "val": 3}
    rows = dict(zip(dict.fromkeys(split["case"]), range(1, PATIENTS + 1), strict=True))
    raw = run / "segmentation" / "nnunet" / "raw" / DATASET
    folds = {"train": [], "val": [], "test": []}
    for one in split.itertuples():
        folds[one.split].append(f"row_{rows[one.case]:06d}__{one.z_index:04d}")
    assert read_json(raw.parents[1] / "preprocessed" / DATASET / "splits_final.json") == [
        {side: folds[side] for side in ("train", "val")}
    ]
    assert {path.name for path in (raw / "labelsTr").iterdir()} == {
        f"{name}.nii.gz" for name in folds["train"] + folds["val"]
    }
    one = split[split["split"] == "train"].iloc[-1]
    name, file = folds["train"][-1], f"{SHARD}/{one['case']}.nii.gz"
    whole, own = (
        nibabel.load(run / "cohorts/annotated/nifti" / file),
        nibabel.load(raw / f"imagesTr/{name}_0000.nii.gz"),
    )
    k = one["z_index"]
    np.testing.assert_array_equal(own.dataobj, np.asarray(whole.dataobj, np.float32)[:, :, k : k + 1])
    np.testing.assert_allclose(own.affine[:3, 3], [0, 0, k * SPACING[2]])

    shutil.copytree(run / "cohorts/annotated/truth", run / "segmentation/masks/annotated")
    lost = split["case"].iloc[0]
    (run / "segmentation/masks/annotated" / SHARD / f"{lost}.nii.gz").unlink()
    training = [{name: 1 for name in columns_of("segmentation_training")}]
    write_table(run / "segmentation" / "training.tsv", training, "segmentation_training")
    workspace.must_run("segmentation_metrics", "segmentation/metrics.tsv")
    workspace.must_run("segmentation_figures", *PICTURES)
    metrics = read_table(run / "segmentation" / "metrics.tsv", "segmentation_metrics")
    pd.testing.assert_frame_equal(metrics[["case", "split", "z_index"]], split[["case", "split", "z_index"]])
    without = metrics["case"] == lost
    assert without.sum() == SLICES and (metrics.loc[~without, "dice"] == 1).all()
    assert metrics.loc[without, ["dice", "predicted_ml", "volume_error"]].isna().all(axis=None)
    assert set(metrics.loc[without, "reason"]) == {"no lung mask: there is no file"}
    truth = run / "cohorts/annotated/truth" / SHARD
    areas = [array_of(truth / f"{one.case}.nii.gz")[:, :, one.z_index].sum() for one in split.itertuples()]
    np.testing.assert_allclose(metrics["true_ml"], np.array(areas) * np.prod(SPACING) / 1000, rtol=1e-6)

    workspace.config["shared_ids"] = True
    workspace.write_config()
    refused = workspace.snakemake("--dry-run", "segment")
    assert "segmentation.split_unit: slice puts one patient's slices into all subsets" in refused.stdout


@pytest.mark.parametrize("method", ["nnunet", "classical"])
def test_a_case_that_cannot_be_segmented_costs_itself_alone(trained: Workspace, tmp_path: Path, method: str) -> None:
    workspace = new_workspace(tmp_path, method=method)
    if method == "nnunet":
        shutil.copytree(trained.run_folder / "segmentation/model", workspace.run_folder / "segmentation/model")
    folder = workspace.run_folder / "cohorts/pictures/nifti" / SHARD
    names = read_table(folder.parents[1] / "cases.tsv", "cases")["case"]
    torn = folder / f"{names[1]}.nii.gz"
    torn.write_bytes(torn.read_bytes()[:300])
    workspace.must_run("segment_shard", f"segmentation/masks/pictures/{SHARD}")
    masks = workspace.run_folder / "segmentation/masks/pictures" / SHARD
    assert {path.name for path in masks.glob("*.nii.gz")} == {f"{name}.nii.gz" for name in names.drop(1)}
    dice = dice_of_folders(masks, workspace.run_folder / "cohorts/pictures/truth" / SHARD)
    assert min(dice) > 0.9
    log = (workspace.run_folder / f"logs/segment_shard/pictures/{SHARD}.log").read_text()
    assert f"case {names[1]}: no lung mask: its segmentation failed" in log and "Traceback" not in log
    assert (workspace.private_folder / "errors" / f"segment-{names[1]}.txt").is_file()


@pytest.mark.long
def test_a_network_trains_on_single_slices(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path, split_unit="slice")
    done = workspace.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", *TRAINING_RULES, "--", METRICS)
    assert done.returncode == 0, done.stdout
    metrics = read_table(workspace.folder / METRICS, "segmentation_metrics")
    assert len(metrics) == PATIENTS * SLICES
    assert metrics["dice"].min() > 0.9


def test_classical_method_needs_no_annotated_cohort(tmp_path: Path) -> None:
    workspace = new_workspace(tmp_path, method="classical")
    planned = workspace.snakemake("--dry-run", "segment").stdout
    assert "segmentation_metrics" in planned  # contours are compared with, but nothing is trained
    assert "nnunet_" not in planned
    del workspace.config["cohorts"]["annotated"]
    workspace.write_config()
    edit_cases(workspace, "pictures", status=["rejected"] + ["ok"] * 5)
    workspace.must_run("segment_shard", f"segmentation/masks/pictures/{SHARD}")
    masks = workspace.run_folder / "segmentation" / "masks" / "pictures" / SHARD
    dice = dice_of_folders(masks, workspace.run_folder / "cohorts" / "pictures" / "truth" / SHARD)
    assert len(dice) == PATIENTS - 1  # a rejected case has no mask
    assert min(dice) > 0.9

    workspace.config["segmentation"]["method"] = "nnunet"
    workspace.write_config()
    refused = workspace.snakemake("--dry-run", "segment")
    assert refused.returncode != 0
    assert "set segmentation.method: classical" in refused.stdout and "Traceback" not in refused.stdout
