"""Every rule of the training room, by itself, on made input and a small network."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lungsight.config_check import complete_config
from lungsight.files import read_json, sha256_of, write_json
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.image_cache import resize_mask
from lungsight.training.network import build_classifier
from tests.factories.tables import NEGATIVE, POSITIVE, SHARD, disc, made_cohort, made_split, save_images, save_volume
from tests.factories.workspace import ROOT, Workspace

SIZE = 32
MODEL = "models/whole-small_cnn-scratch/stage1"
FILES = ("model.keras", "history.tsv", "provenance.json")


def workspace(folder: Path, **training: object) -> Workspace:
    """A public and a target cohort, tables only."""
    cohorts = {}
    for name, role in (("curated", "public"), ("hospital", "target")):
        (folder / name).mkdir()
        (folder / name / "a.png").touch()
        label = "\tlabel\np1\ta.png\tCovid-19\n"
        (folder / f"{name}.tsv").write_text(f"patient\tpath{label}", encoding="utf-8")
        cohorts[name] = {"role": role, "format": "png", "root": name, "table": f"{name}.tsv"}
    settings = {
        **{"image_size": SIZE, "batch_size": 8, "epochs": {"stage1": 3, "stage2": 1}, "threads": 1},
        **{"learning_rate": {"stage1": 1e-3, "stage2": 1e-4}, "batch_norm_momentum": 0.8, "head_units": 16},
    }
    pipelines = {"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch"]}
    return Workspace(folder, {"cohorts": cohorts, "pipelines": pipelines, "training": settings | training})


def made_images(run: Path, cohort: str, patients: int = 16) -> pd.DataFrame:
    """An image cache and a split by the contract; positive slices are brighter. Returns the split."""
    slices = made_cohort(run, cohort, patients=patients, slices=2, size=SIZE)
    split = made_split(run, cohort, "whole", slices)
    rng = np.random.default_rng(0)
    levels = np.where(slices["label"] == POSITIVE, 160, 60)
    images = np.clip(levels[:, None, None] + rng.normal(0, 8, (len(slices), SIZE, SIZE)), 0, 255).astype(np.uint8)
    save_images(run / "training" / "images" / cohort, slices[["slice"]], whole=images)
    return split


def test_image_cache(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    slices = made_cohort(space.run_folder, "curated", patients=3, slices=2, size=64)
    lesion = disc(64, 0.6, 0.68, 0.09, 0.07)
    case = slices["case"][2]
    save_volume(space.run_folder / f"cohorts/curated/lesions/{SHARD}/{case}.nii.gz", [lesion, lesion & False])
    folder = space.run_folder / "training" / "images" / "curated" / SHARD
    space.must_run("image_cache", *(f"training/images/curated/{SHARD}/{n}" for n in ("whole.npy", "index.tsv")))
    whole, segmented, masks = (np.load(folder / f"{name}.npy") for name in ("whole", "segmented", "masks"))
    assert whole.shape == segmented.shape == masks.shape == (6, SIZE, SIZE)
    assert {array.dtype for array in (whole, segmented, masks)} == {np.dtype(np.uint8)}
    assert read_table(folder / "index.tsv", "image_index")["slice"].tolist() == slices["slice"].tolist()
    assert set(np.unique(masks)) == {0, 1}
    assert 0.1 < masks.mean() < 0.3
    # Body around the lungs stays in the whole slice and goes from the segmented one.
    assert whole[:, SIZE // 2, SIZE // 2].min() > 180
    assert segmented[:, SIZE // 2, SIZE // 2].max() == 0
    lesions = np.load(folder / "lesions.npy")
    assert (lesions.shape, lesions.dtype) == (whole.shape, np.uint8)
    assert lesions.any(axis=(1, 2)).tolist() == [False, False, True, False, False, False]
    np.testing.assert_array_equal(lesions[2], resize_mask(lesion.astype(np.uint8), SIZE))
    index = read_table(folder / "index.tsv", "image_index")
    assert index["lesions"].tolist() == [0, 0, 1, 1, 0, 0] and index["masks"].tolist() == [1] * 6

    (space.run_folder / "cohorts/curated" / slices["png"][4]).write_bytes(
        (space.run_folder / "cohorts/curated" / slices["png"][4]).read_bytes()[:60]
    )
    failed = space.snakemake(
        "--cores",
        "1",
        "--allowed-rules",
        "image_cache",
        "--forcerun",
        "image_cache",
        "--",
        f"{space.results}/training/images/curated/000/whole.npy",
    )
    assert failed.returncode != 0
    assert not list(folder.glob("*.npy"))


def test_image_index(tmp_path: Path) -> None:
    """The index follows the cohort, not the shard; what an earlier run left of other people is gone."""
    space = workspace(tmp_path)
    slices = made_cohort(space.run_folder, "curated", patients=3, slices=2, size=64)["slice"]
    folder = space.run_folder / "training/images/curated"
    write_table(folder / SHARD / "index.tsv", pd.DataFrame({"slice": slices[::-1], "masks": 1}), "image_index")
    (folder / "007").mkdir()
    for name in ("whole.npy", "007/whole.npy", f"{SHARD}/whole.npy"):
        (folder / name).touch()
    space.must_run("image_index", "training/images/curated/index.tsv")
    index = read_table(folder / "index.tsv", "image_index")
    assert index["slice"].tolist() == slices.tolist()
    assert index["row"].tolist() == [5, 4, 3, 2, 1, 0] and set(index["shard"]) == {SHARD} and index["masks"].all()
    assert sorted(path.name for path in folder.iterdir()) == [SHARD, "index.tsv"]
    assert (folder / SHARD / "whole.npy").is_file()


def test_train_stage(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    made_images(space.run_folder, "curated")
    space.must_run("train_stage", *(f"{MODEL}/{name}" for name in FILES))
    folder = space.run_folder / MODEL
    history = read_table(folder / "history.tsv", "history")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["loss"].iloc[-1] < history["loss"].iloc[0]
    assert (history["learning_rate"] == 1e-3).all()
    assert history["kept"].tolist() == [0, 0, 1]
    assert history["stopped"].tolist() == ["", "", "all epochs done"]
    first = read_json(folder / "provenance.json")
    assert first["weights"] == {"kind": "scratch", "sha256": None, "origin": "scratch"}
    assert (first["labels"], first["explained_layer"]) == ([POSITIVE, NEGATIVE], "relu4")
    assert first["images"] == {"train": 16, "val": 8}
    assert first["training"] == {"epochs": 3, "kept_epoch": 3, "stopped": "all epochs done"}
    assert first["hardware"]["device"] in ("cpu", "gpu")
    assert first["packages"]["keras"] == keras.__version__
    assert first["settings"]["epochs"] == 3 and first["seed"] == 2021 and first["lungsight"] and first["code"]
    assert first["inputs"]["split"] == sha256_of(space.run_folder / "splits/curated/whole.tsv")
    assert not (space.run_folder / "training/checkpoints").exists() or not list(
        (space.run_folder / "training/checkpoints").iterdir()
    )

    made_images(space.run_folder, "hospital")
    second = MODEL.replace("stage1", "stage2")
    space.must_run("train_stage", f"{second}/model.keras")
    weights = read_json(space.run_folder / second / "provenance.json")["weights"]
    assert weights == {"kind": "parent", "sha256": sha256_of(folder / "model.keras"), "origin": "scratch"}


def made_model(run: Path, folder: str) -> None:
    """History and provenance of a model of three epochs, without the model."""
    history = {
        **{"epoch": [1, 2, 3], "loss": [0.7, 0.5, 0.4], "accuracy": [0.5, 0.6, 0.8], "val_loss": [0.7, 0.6, 0.65]},
        **{"val_accuracy": [0.5, 0.75, 0.7], "learning_rate": 1e-3, "seconds": 2.5, "kept": [0, 1, 0]},
        "stopped": ["", "", "all epochs done"],
    }
    write_table(run / folder / "history.tsv", pd.DataFrame(history), "history")
    weights = {"kind": "scratch", "sha256": None, "origin": "scratch"}
    provenance = {"pipeline": "whole-small_cnn-scratch", "stage": int(folder[-1]), "weights": weights}
    write_json(run / folder / "provenance.json", provenance)


def test_training_curve(tmp_path: Path) -> None:
    """Drawn from tables alone: there is no model, so nothing could be trained."""
    space = workspace(tmp_path)
    made_model(space.run_folder, MODEL)
    space.must_run("training_curve", f"{MODEL}/curve.png")
    with Image.open(space.run_folder / MODEL / "curve.png") as picture:
        assert picture.size == (1320, 384)
        colours = np.asarray(picture.convert("RGB")).reshape(-1, 3)
    assert (np.abs(colours.astype(int) - (0x00, 0x9E, 0x73)).sum(axis=1) < 40).any(), "the kept epoch is marked"


def test_train(tmp_path: Path) -> None:
    """Both stages, their predictions and their curves."""
    space = workspace(tmp_path, epochs={"stage1": 1, "stage2": 1})
    for cohort in ("curated", "hospital"):
        made_images(space.run_folder, cohort)
    space.must_reach("train", "train_stage", "infer_cohort", "training_curve")
    made = {str(path.relative_to(space.run_folder / "models")) for path in space.run_folder.glob("models/*/*/*/*.tsv")}
    name = "whole-small_cnn-scratch"
    assert made == {
        f"{name}/stage1/predictions/curated.tsv",
        f"{name}/stage1/predictions/hospital.tsv",
        f"{name}/stage2/predictions/hospital.tsv",
    }
    assert len(list(space.run_folder.glob("models/*/*/curve.png"))) == 2


def test_train_stage_by_the_modern_preset(tmp_path: Path) -> None:
    """Every part of it at once, in bfloat16; the saved model is a float32 one that gives a probability."""
    space = workspace(tmp_path, preset="modern", precision="mixed_bfloat16", epochs={"stage1": 12}, early_stopping=1)
    made_images(space.run_folder, "curated")
    space.must_run("train_stage", f"{MODEL}/model.keras")
    folder = space.run_folder / MODEL
    history = read_table(folder / "history.tsv", "history")
    assert history["learning_rate"].nunique() == len(history)
    settings = read_json(folder / "provenance.json")["settings"]
    assert (settings["loss"], settings["head"], settings["learning_rate"]) == ("class_weighted", "linear", 1e-3)
    assert not {"threads", "preset", "imagenet", "stand_in"} & set(settings)
    model = keras.models.load_model(folder / "model.keras", compile=False)
    assert [layer.name for layer in model.layers[-3:]] == ["pooled", "logit", "probability"]
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert len(history) == read_json(folder / "provenance.json")["training"]["epochs"]


def test_train_stage_refuses_the_model_of_another_size(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    made_images(space.run_folder, "hospital")
    (space.run_folder / MODEL).mkdir(parents=True)
    (space.run_folder / MODEL / "model.keras").touch()
    fits = {"backbone": "small_cnn", "preprocessing": backbones.load("small_cnn").preprocessing}
    write_json(space.run_folder / MODEL / "provenance.json", fits | {"image_size": 64})
    failed = space.run_rule("train_stage", MODEL.replace("stage1", "stage2") + "/model.keras")
    assert failed.returncode != 0
    assert "The stage-1 model does not fit stage 2: its image_size is 64, 32 is wanted." in failed.stdout
    assert "Traceback" not in failed.stdout


def test_infer_cohort(tmp_path: Path) -> None:
    """The probabilities are those of the saved model on images preprocessed in the backbone's way, in table order."""
    space = workspace(tmp_path)
    split = made_images(space.run_folder, "curated").iloc[::-1].reset_index(drop=True)
    write_table(space.run_folder / "splits" / "curated" / "whole.tsv", split, "split")
    backbone = backbones.load("small_cnn")
    head = {"head_units": 64, "head_activation": "relu", "batch_norm_momentum": 0.9}
    keras.utils.set_random_seed(1)
    model = build_classifier(backbone, {"image_size": SIZE} | head)
    (space.run_folder / MODEL).mkdir(parents=True)
    model.save(space.run_folder / MODEL / "model.keras")
    provenance = {"backbone": "small_cnn", "preprocessing": backbone.preprocessing, "image_size": SIZE, "seed": 1}
    provenance |= {"labels": [POSITIVE, NEGATIVE]}
    write_json(space.run_folder / MODEL / "provenance.json", provenance)
    space.must_run("infer_cohort", f"{MODEL}/predictions/curated.tsv")
    predictions = read_table(space.run_folder / MODEL / "predictions" / "curated.tsv", "predictions")
    pd.testing.assert_frame_equal(predictions[["slice", "patient", "label", "split"]], split)
    images = np.load(space.run_folder / "training" / "images" / "curated" / SHARD / "whole.npy")[::-1]
    expected = model(np.repeat(images[..., None], 3, axis=-1) / 127.5 - 1, training=False).numpy()[:, 0]
    np.testing.assert_allclose(predictions["probability"], expected, atol=1e-6)
    assert np.ptp(expected) > 1e-4


def test_train_stage_without_stage_1_before_it(tmp_path: Path) -> None:
    """The control of adaptation: stage 2's cohort and settings, and the start of stage 1."""
    space = workspace(tmp_path, adaptation_controls=True)
    made_images(space.run_folder, "hospital")
    folder = MODEL.replace("stage1", "stage2-target-only")
    space.must_run("train_stage", f"{folder}/model.keras")
    provenance = read_json(space.run_folder / folder / "provenance.json")
    assert provenance["weights"] == {"kind": "scratch", "sha256": None, "origin": "scratch"}
    assert (provenance["stage"], provenance["settings"]["learning_rate"]) == (2, 1e-4)
    split = space.run_folder / "splits/hospital/whole.tsv"
    assert provenance["inputs"]["split"] == sha256_of(split)
    space.config["segmentation"] = {"method": "classical"}
    space.config["training"]["gpus"] = 1
    space.write_config()
    planned = space.snakemake("-n", "train")
    assert "gpu=1" in planned.stdout
    assert "stage2-target-only/predictions/hospital.tsv" in planned.stdout
    space.config["training"]["adaptation_controls"] = False
    space.write_config()
    assert "stage2-target-only" not in space.snakemake("-n", "train").stdout


def test_train_stage_without_the_gpu_that_it_was_asked_for(tmp_path: Path) -> None:
    """Stopped at once, with a sentence in the log; the same config without a GPU trains on the processor."""
    space = workspace(tmp_path, gpus=1)
    made_images(space.run_folder, "curated")
    space.environment = {"CUDA_VISIBLE_DEVICES": ""}
    done = space.run_rule("train_stage", f"{MODEL}/model.keras")
    assert done.returncode != 0
    assert "training.gpus is 1, and TensorFlow sees no GPU on this machine" in done.stdout
    assert "Traceback" not in done.stdout and not (space.run_folder / MODEL / "model.keras").exists()


def test_stand_in_weights(tmp_path: Path) -> None:
    space = workspace(tmp_path, stand_in={"images": 16, "epochs": 1, "size": 32})
    space.config["pipelines"]["weights"] = ["imagenet"]
    space.write_config()
    space.must_run("stand_in_weights", "stand_in/small_cnn.weights.h5")
    file = space.run_folder / "stand_in" / "small_cnn.weights.h5"
    assert (file.parent / "small_cnn.weights.h5.sha256").read_text().strip() == sha256_of(file)

    made_images(space.run_folder, "curated")
    model = MODEL.replace("scratch", "imagenet")
    space.must_run("train_stage", f"{model}/model.keras")
    weights = read_json(space.run_folder / model / "provenance.json")["weights"]
    assert weights == {"kind": "stand-in", "sha256": sha256_of(file), "origin": "stand-in"}

    file.write_bytes(file.read_bytes()[:-1])
    failed = space.run_rule("train_stage", f"{model}/model.keras")
    assert "is not the expected file: its SHA-256 is" in failed.stdout


def test_pretrain_simsiam(tmp_path: Path) -> None:
    """Weights that a training starts from, with their tables; images of other than training patients change nothing."""
    small = {"epochs": 2, "batch_size": 8, "projector": 16, "predictor": 4, "learning_rate": 1}
    space = workspace(tmp_path, simsiam=small, epochs={"stage1": 1, "stage2": 1})
    space.config["pipelines"]["weights"] = ["simsiam"]
    space.write_config()
    splits = {cohort: made_images(space.run_folder, cohort) for cohort in ("curated", "hospital")}
    folder = space.run_folder / "training/simsiam/whole"
    target = "training/simsiam/whole/small_cnn.weights.h5"
    space.must_run("pretrain_simsiam", target)
    first = sha256_of(folder / "small_cnn.weights.h5")
    assert (folder / "small_cnn.weights.h5.sha256").read_text().strip() == first
    history = read_table(folder / "small_cnn.history.tsv", "simsiam")
    assert history["epoch"].tolist() == [1, 2]
    assert history["z_std_even"].tolist() == [0.25, 0.25] and (history["z_std"] > 0.1).all()
    probe = read_table(folder / "small_cnn.probe.tsv", "linear_probe")
    rows = [(cohort, weights) for weights in ("random", "simsiam") for cohort in ("curated", "hospital")]
    assert list(zip(probe["cohort"], probe["weights"], strict=True)) == rows
    # Positive slices are brighter, which features of any weights tell.
    assert (probe["slices"] == 16).all() and (probe["balanced_accuracy"] > 0.9).all() and (probe["chance"] == 0.5).all()
    assert not (space.run_folder / "training/checkpoints/simsiam-whole-small_cnn").exists()

    for cohort, split in splits.items():
        images = np.load(space.run_folder / f"training/images/{cohort}/000/whole.npy")
        images[split["split"].to_numpy() != "train"] = 255
        np.save(space.run_folder / f"training/images/{cohort}/000/whole.npy", images)
    space.must_run("pretrain_simsiam", target)
    assert sha256_of(folder / "small_cnn.weights.h5") == first

    model = MODEL.replace("scratch", "simsiam")
    space.must_run("train_stage", f"{model}/model.keras")
    weights = read_json(space.run_folder / model / "provenance.json")["weights"]
    assert weights == {"kind": "simsiam", "sha256": first, "origin": "simsiam"}


def test_generate_slices(tmp_path: Path) -> None:
    """Slices of each class, what was measured on them, and a training with them. Test patients count for nothing."""
    small = {"filters": 2, "steps": 60, "batch": 4, "samples": 6, "share": 0.5}
    space = workspace(tmp_path, remedies={"dcgan": small}, epochs={"stage1": 1, "stage2": 1})
    space.config["pipelines"]["remedies"] = ["none", "dcgan"]
    space.write_config()
    split = made_images(space.run_folder, "curated")
    folder = space.run_folder / "training/generated/dcgan/curated/image/whole"
    target = "training/generated/dcgan/curated/image/whole/generated.tsv"
    space.must_run("generate_slices", target)
    made = np.load(folder / "generated.npy")
    assert (made.shape, made.dtype) == ((12, 64, 64), np.uint8)
    assert read_table(folder / "generated.tsv", "generated")["label"].tolist() == [POSITIVE] * 6 + [NEGATIVE] * 6
    history = read_table(folder / "history.tsv", "dcgan")
    assert history["label"].tolist() == [POSITIVE, NEGATIVE] and (history["step"] == 60).all()
    measured = read_table(folder / "memorisation.tsv", "memorisation")
    assert measured[["generated", "training", "validation"]].to_numpy().tolist() == [[6, 8, 4], [6, 8, 4]]
    with Image.open(folder / "sheet.png") as sheet:
        assert sheet.size == (6 * 128, 4 * (14 + 128))
    assert not (space.run_folder / "training/checkpoints/generate-dcgan-curated-image-whole").exists()

    images = np.load(space.run_folder / "training/images/curated/000/whole.npy")
    images[split["split"].to_numpy() != "train"] = 255
    np.save(space.run_folder / "training/images/curated/000/whole.npy", images)
    space.must_run("generate_slices", target)
    np.testing.assert_array_equal(np.load(folder / "generated.npy"), made)

    space.must_run("train_stage", f"{MODEL.replace('scratch', 'scratch-dcgan')}/model.keras")
    provenance = read_json(space.run_folder / MODEL.replace("scratch", "scratch-dcgan") / "provenance.json")
    assert provenance["inputs"]["generated"] == sha256_of(folder / "generated.npy")
    assert provenance["images"] == {"train": 16, "val": 8}
    assert provenance["settings"]["remedy"] == {"name": "dcgan", **small}


def test_imagenet_weights(tmp_path: Path) -> None:
    """What is in Keras's own cache is taken, checked; what cannot be fetched is asked for in words."""
    space = workspace(tmp_path)
    space.environment |= {"KERAS_HOME": str(tmp_path / "keras"), "https_proxy": "http://127.0.0.1:9"}
    space.config["pipelines"] |= {"backbones": ["resnet50"], "weights": ["imagenet"]}
    space.write_config()
    failed = space.run_rule("imagenet_weights", "training/imagenet/resnet50.h5")
    assert failed.returncode != 0
    assert "Traceback" not in failed.stdout
    assert "resnet50: {file: weights/resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5" in failed.stdout
    assert not (space.run_folder / "training/imagenet/resnet50.h5").exists()


def test_imagenet_weights_of_a_backbone_that_has_none(tmp_path: Path) -> None:
    space = workspace(tmp_path)
    failed = space.run_rule("imagenet_weights", "training/imagenet/small_cnn.h5")
    assert "There are no ImageNet weights of small_cnn." in failed.stdout


def test_check_imagenet_file(tmp_path: Path) -> None:
    """A local file is checked by itself: before any image is segmented, and without any input of a training."""
    space = workspace(tmp_path)
    file = tmp_path / "resnet50.h5"
    file.write_bytes(b"weights")
    space.config["pipelines"] |= {"backbones": ["resnet50"], "weights": ["imagenet"]}
    verified = space.run_folder / "training/imagenet/resnet50.verified"
    for sha256, expected in ((sha256_of(file), 0), ("0" * 64, 1)):
        space.config["training"]["imagenet"] = {"resnet50": {"file": "resnet50.h5", "sha256": sha256}}
        space.write_config()
        done = space.run_rule("check_imagenet_file", "training/imagenet/resnet50.verified")
        assert done.returncode == expected, done.stdout
        assert verified.exists() == (expected == 0)
    assert f"resnet50.h5 is not the expected file: its SHA-256 is {sha256_of(file)}" in done.stdout
    planned = space.snakemake("-n", "--forceall", "train")
    assert "check_imagenet_file" in planned.stdout and "rule imagenet_weights" not in planned.stdout


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"pipelines": {"backbones": ["resnet5"]}},
            "'resnet5' is not known; known are densenet121, densenet201, efficientnetb4, inceptionv3, resnet50",
        ),
        (
            {"pipelines": {"systems": ["wang2020"]}},
            "pipelines.systems: 'wang2020' is not known; known are bai2020, ko2020_inceptionv3",
        ),
        (
            {"pipelines": {"backbones": [], "systems": ["wang2021"]}, "training": {"image_size": 64}},
            "training.image_size: 64 is too small for inceptionv3, which takes 75 and more.",
        ),
        ({"pipelines": {"backbones": []}}, "pipelines: nothing is chosen"),
        (
            {"training": {"imagenet": {"resnet50": {"file": "absent.h5", "sha256": "0" * 64}}}},
            "training.imagenet.resnet50.file: absent.h5 does not exist.",
        ),
    ],
)
def test_train_is_refused_before_any_job(tmp_path: Path, change: dict, message: str) -> None:
    space = workspace(tmp_path)
    space.config = {"cohorts": space.config["cohorts"]} | change
    space.write_config()
    failed = space.snakemake("-n", "train")
    assert failed.returncode != 0
    assert message in failed.stdout


def with_remedy(tmp_path: Path, remedy: str) -> Workspace:
    """A run of one remedy whose cohorts have cached images of both classes."""
    space = workspace(tmp_path)
    space.config["pipelines"]["remedies"] = [remedy]
    for cohort in space.config["cohorts"]:
        labels = {"a": POSITIVE, "b": NEGATIVE, "c": POSITIVE, "d": NEGATIVE}
        rows = "".join(f"of {name}\t{name}.png\t{label}\n" for name, label in labels.items())
        (tmp_path / f"{cohort}.tsv").write_text(f"patient\tpath\tlabel\n{rows}", encoding="utf-8")
        for name in labels:
            (tmp_path / cohort / f"{name}.png").touch()
    space.write_config()
    for cohort in ("curated", "hospital"):
        made_images(space.run_folder, cohort)
    return space


@pytest.mark.parametrize("remedy", ["domain_norm", "dann"])
def test_stage_2_is_trained_on_both_cohorts(tmp_path: Path, remedy: str) -> None:
    """The images of the public cohort are an input of stage 2, and what the remedy found stands in provenance.json."""
    space = with_remedy(tmp_path, remedy)
    models = [f"models/whole-small_cnn-scratch-{remedy}/stage{stage}" for stage in (1, 2)]
    for model in models:
        space.must_run("train_stage", *(f"{model}/{name}" for name in FILES))
    first, second = (json.loads((space.run_folder / model / "provenance.json").read_text()) for model in models)
    assert not any(name.startswith("companion") for name in first["inputs"])
    digest = sha256_of(space.run_folder / "training/images/curated/000/whole.npy")
    assert second["inputs"]["companion_images"] == digest
    if remedy == "dann":
        accuracy = second["training"]["remedy"]["cohort_accuracy"]
        assert set(accuracy) == {"before", "after"} and all(0 <= each <= 1 for each in accuracy.values())


def test_stage_2_learns_without_its_labels_beside_generated_slices(tmp_path: Path) -> None:
    """One generator, of the hospital's cohort and without classes. Stage 1 needs none, and the model is a usual one."""
    space = with_remedy(tmp_path, "madani")
    small = {"filters": 2, "steps": 20, "batch": 4, "samples": 6}
    space.config["training"]["remedies"] = {"madani": small}
    space.write_config()
    models = [f"models/whole-small_cnn-scratch-madani/stage{stage}" for stage in (1, 2)]
    folder = space.run_folder / "training/generated/madani/hospital/image/whole"
    space.must_run("train_stage", f"{models[0]}/model.keras")
    space.must_run("generate_slices", str((folder / "generated.tsv").relative_to(space.run_folder)))
    space.must_run("train_stage", f"{models[1]}/model.keras")
    first, second = (read_json(space.run_folder / model / "provenance.json") for model in models)
    assert not {name for name in first["inputs"] if name.startswith(("companion", "generated"))}
    assert second["inputs"]["companion_images"] == sha256_of(space.run_folder / "training/images/curated/000/whole.npy")
    assert second["inputs"]["generated"] == sha256_of(folder / "generated.npy")
    assert read_table(folder / "generated.tsv", "generated")["label"].tolist() == [""] * 6
    assert read_table(folder / "memorisation.tsv", "memorisation")["training"].tolist() == [16]
    loaded = [keras.models.load_model(space.run_folder / model / "model.keras", compile=False) for model in models]
    assert [layer.name for layer in loaded[0].layers] == [layer.name for layer in loaded[1].layers]
    assert loaded[1].output_shape == (None, 1)


@pytest.mark.parametrize("remedy", ["cbam", "detrac"])
def test_both_stages_have_the_network_of_the_remedy(tmp_path: Path, remedy: str) -> None:
    """Stage 2 starts from it, and its file is loaded by Keras and ends in one probability."""
    space = with_remedy(tmp_path, remedy)
    models = [f"models/whole-small_cnn-scratch-{remedy}/stage{stage}" for stage in (1, 2)]
    for model in models:
        space.must_run("train_stage", *(f"{model}/{name}" for name in FILES))
    loaded = [keras.models.load_model(space.run_folder / model / "model.keras", compile=False) for model in models]
    names = [[layer.name for layer in each.layers] for each in loaded]
    assert names[0] == names[1] and ({"bn4_cbam_weighed", "sub_logits"} & set(names[0]))
    assert [each.output_shape for each in loaded] == [(None, 1)] * 2
    first, second = (json.loads((space.run_folder / model / "provenance.json").read_text()) for model in models)
    assert second["weights"]["sha256"] == sha256_of(space.run_folder / models[0] / "model.keras")
    for found in (first, second) if remedy == "detrac" else ():
        counts = found["training"]["remedy"]["sub_classes"]
        assert np.sum(counts) == found["images"]["train"] and np.shape(counts) == (2, 2)


def train_directly(space: Workspace, into: Path) -> list[str]:
    """The command of train_stage for a small network, as the rule would give it."""
    config = complete_config({"results": space.results} | space.config)["training"]
    training = config | {name: config[name]["stage1"] for name in ("epochs", "learning_rate")}
    settings = {**{"backbone": "small_cnn", "labels": [POSITIVE, NEGATIVE], "training": training, "seed": 1}}
    given = {
        **{"tables": space.run_folder / "splits/curated/whole.tsv"},
        **{"images": space.run_folder / "training/images/curated", "settings": json.dumps(settings)},
        **{"start": "{}", "code": "x", "threads": 1, "checkpoints": into / "checkpoints", "model": model_folder(into)},
    }
    program = ROOT / "workflow/scripts/train_stage.py"
    return [
        sys.executable,
        str(program),
        *(part for name, value in given.items() for part in (f"--{name}", str(value))),
    ]


def model_folder(into: Path) -> Path:
    """Where `train_directly` leaves the model."""
    return into / "whole-small_cnn-scratch" / "stage1"


def test_a_training_killed_at_once_ends_with_the_numbers_of_an_undisturbed_one(tmp_path: Path) -> None:
    """kill -9 as soon as an epoch is kept, wherever the training then is."""
    space = workspace(tmp_path, preset="modern", epochs={"stage1": 40}, early_stopping=40)
    made_images(space.run_folder, "curated")
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    subprocess.run(train_directly(space, undisturbed), check=True, capture_output=True)
    process = subprocess.Popen(train_directly(space, killed), stderr=subprocess.DEVNULL)
    while not list(killed.glob("checkpoints/*.npz")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    again = subprocess.run(train_directly(space, killed), check=True, capture_output=True, text=True)
    assert "Going on after epoch" in again.stderr
    first, second = (read_table(model_folder(into) / "history.tsv", "history") for into in (undisturbed, killed))
    pd.testing.assert_frame_equal(first.drop(columns="seconds"), second.drop(columns="seconds"))
    models = [
        keras.models.load_model(model_folder(into) / "model.keras", compile=False) for into in (undisturbed, killed)
    ]
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not (killed / "checkpoints").exists()
