"""Each rule of a prediction by itself, on a made run with a small network; then all of them on a phantom's DICOM."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf

from lungsight.config_check import complete_config
from lungsight.files import read_json, write_json
from lungsight.predict.run_settings import run_settings
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, make_inference
from tests.factories.run import made_workspace
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort, made_manifest, made_slice, made_split
from tests.factories.workspace import Workspace

SIZE = 48
PIPELINE = "whole-small_cnn-scratch"
MODEL = f"results/run/models/{PIPELINE}/stage2"


class Prediction(Workspace):
    """A workspace that asks for a prediction on `scans` instead of running a config."""

    def run_rule(self, rule: str, *targets: str) -> subprocess.CompletedProcess:
        asked = ("--config", "scans=scans", f"model={MODEL}", f"out={self.results}", "format=nifti")
        paths = [f"{self.results}{target}" for target in targets]
        rest = ("--allowed-rules", rule, *asked, "--", *paths)
        return self.snakemake("--cores", "2", "--show-failed-logs", *rest, configured=False)


def made_cache(folder: Path, slices, framework: str) -> None:
    """An image cache of made slices."""
    rng = np.random.default_rng(0)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in slices["label"]]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{framework}.npy", images)
    np.save(folder / "masks.npy", masks)
    write_table(folder / "index.tsv", slices[["slice"]], schema="image_index")


@pytest.fixture
def prediction(tmp_path) -> Prediction:
    """A finished made run, results/run, and scans to ask it about."""
    folder = tmp_path
    run = folder / "results/run"
    slices = made_cohort(run, "clinic", patients=24, slices=2)
    split = made_split(run, "clinic", "whole", slices)
    made_cache(run / "training/images/clinic", slices, "whole")
    backbone = backbones.load("small_cnn")
    config = complete_config(
        {
            "results": "results/run",
            "cohorts": {
                name: {"role": role, "format": "nifti", "root": name, "table": name}
                for name, role in (("open", "public"), ("clinic", "target"))
            },
            "training": {"image_size": SIZE},
            "segmentation": {"method": "classical"},
        }
    )
    model = build_classifier(backbone, config["training"])
    (folder / MODEL).mkdir(parents=True)
    model.save(folder / MODEL / "model.keras")
    provenance = {
        **{"pipeline": PIPELINE, "stage": 2, "backbone": "small_cnn", "labels": [POSITIVE, NEGATIVE], "seed": 1},
        **{"preprocessing": backbone.preprocessing, "image_size": SIZE, "images": {"train": 24, "val": 12}},
        "weights": {"kind": "parent"},
    }
    write_json(folder / MODEL / "provenance.json", provenance)
    # Probabilities that follow the label, so that they can be calibrated.
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, len(split))
    predictions = split.assign(probability=np.where(split["label"] == POSITIVE, 0.6, 0.4) + noise)
    write_table(folder / MODEL / "predictions/clinic.tsv", predictions, schema="predictions")
    write_json(run / "run.json", run_settings(config))
    nifti = folder / "scans/Ann/scan.nii.gz"
    nifti.parent.mkdir(parents=True)
    next((run / "cohorts/clinic/nifti").rglob("*.nii.gz")).rename(nifti)
    return Prediction(folder, {}, results="results/new")


def test_run_settings(tmp_path) -> None:
    workspace = made_workspace(
        tmp_path, {"open": "public", "clinic": "target"}, **{"intake": {"window": [-1000, 400]}, "min_slices": 3}
    )
    workspace.must_run("run_settings", "run.json")
    found = read_json(workspace.run_folder / "run.json")
    assert found["intake"]["window"] == [-1000, 400]
    assert found["min_slices"] == {"stage1": 3, "stage2": 3}
    assert found["trained_on"] == {"stage1": "open", "stage2": "clinic"}
    assert str(tmp_path) not in str(found)


def test_list_scans(prediction: Prediction) -> None:
    prediction.must_run("list_scans", ".private/scans.tsv")
    table = prediction.folder / "results/new.private/scans.tsv"
    assert table.read_text(encoding="utf-8") == "patient\tpath\nAnn\tAnn/scan.nii.gz\n"
    assert (table.parent.stat().st_mode & 0o777) == 0o700


def test_model_reference(prediction: Prediction) -> None:
    prediction.must_run("model_reference", "/reference.json")
    found = read_json(prediction.run_folder / "reference.json")
    assert found["training_distribution"]["ranges"]["spacing_slice"] == [5.0, 5.0]
    assert found["calibration"]["note"] == ""
    assert found["calibration"]["slope"] > 0
    # The mean of the training slices' pooled features, computed here without the library's own path.
    run = prediction.folder / "results/run"
    split = read_table(run / "splits/clinic/whole.tsv", "split")
    pixels = np.load(run / "training/images/clinic/whole.npy")[(split["split"] == "train").to_numpy()]
    import keras

    model, backbone = keras.saving.load_model(prediction.folder / MODEL / "model.keras"), backbones.load("small_cnn")
    maps = make_inference(keras.Model(model.input, model.get_layer(backbone.explained_layer).output), backbone)(pixels)
    with np.load(prediction.run_folder / "reference.npz", allow_pickle=False) as arrays:
        np.testing.assert_allclose(arrays["mean"], maps.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)
        precision = LedoitWolf().fit(maps.mean(axis=(1, 2)).astype(np.float64)).precision_
        np.testing.assert_allclose(np.diag(arrays["precision"]), np.diag(precision), rtol=1e-2)


def test_predict_cases(prediction: Prediction) -> None:
    out = prediction.run_folder
    prediction.must_run("model_reference", "/reference.json")
    slices = made_cohort(out, "new", patients=3, slices=2, seed=5)
    made_manifest(out, "new", slices)
    made_cache(out / "training/images/new", slices, "whole")
    prediction.must_run("predict_cases", "/predictions.tsv")
    table = read_table(out / "predictions.tsv", "new_predictions")
    of_slices = read_table(out / "slice_predictions.tsv", "new_slice_predictions")
    assert list(of_slices["slice"]) == list(slices["slice"])
    means = of_slices.groupby("case", sort=False)[["probability", "lung_mass", "enrichment"]].mean()
    np.testing.assert_allclose(table["probability_raw"], means["probability"])
    np.testing.assert_allclose(table["lung_mass"], means["lung_mass"])
    fitted = read_json(out / "reference.json")["calibration"]
    logit = np.log(table["probability_raw"] / (1 - table["probability_raw"]))
    expected = 1 / (1 + np.exp(-(fitted["slope"] * logit + fitted["intercept"])))
    np.testing.assert_allclose(table["probability"], expected)
    assert ((table["label"] == POSITIVE) == (table["probability"] >= fitted["threshold"])).all()
    assert len(list((out / "overlays").glob("*-highest.png"))) == 3


def test_predict_page(prediction: Prediction) -> None:
    out, name = prediction.run_folder, f"{'a' * 16}-0003"
    said = {"lung_mass": 0.5, "enrichment": 2.5}
    one = {"row": 1, "case": "a" * 16, "patient": "b" * 16, "label": POSITIVE, "probability": 0.625, "threshold": 0.45}
    rest = {"outcome_note": "<b>high</b>", "out_of_range": "kernel", "probability_raw": 0.6, "positive_share": 1.0}
    write_table(out / "predictions.tsv", [one | rest | said | {"n_slices": 9, "n_used": 1}], "new_predictions")
    of_slice = {"slice": name, "case": "a" * 16, "z_index": 3, "probability": 0.6, "reason": ""}
    write_table(out / "slice_predictions.tsv", [of_slice | said], "new_slice_predictions")
    (out / "overlays").mkdir(parents=True, exist_ok=True)
    (out / "overlays" / f"{name}-highest.png").touch()
    calibration = {"slope": 1.0, "intercept": 0.0, "threshold": 0.45, "n_patients": 9, "note": ""}
    write_json(out / "reference.json", {"training_distribution": {}, "calibration": calibration})
    prediction.must_run("predict_page", "/index.html")
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "For research only." in page
    assert "Covid-19, probability 0.62 (threshold 0.45)" in page
    assert "&lt;b&gt;high" in page and "Out of distribution:</span> kernel" in page
    assert page.count(f'<img src="overlays/{name}-highest.png"') == page.count("<img ") == 1


def test_a_model_with_another_preprocessing_is_refused(prediction: Prediction) -> None:
    path = prediction.folder / MODEL / "provenance.json"
    before = read_json(path)
    write_json(path, before | {"preprocessing": "x / 255"})
    done = prediction.run_rule("model_reference", "/reference.json")
    write_json(path, before)
    assert done.returncode != 0
    assert "its preprocessing is 'x / 255'" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("damage", ["cut short", "of another backbone"])
def test_a_model_that_is_damaged_or_foreign_is_refused(prediction: Prediction, damage: str) -> None:
    path = prediction.folder / MODEL / "model.keras"
    if damage == "cut short":
        path.write_bytes(path.read_bytes()[:5000])
    else:
        provenance = path.with_name("provenance.json")
        other = backbones.load("resnet50").preprocessing
        write_json(provenance, read_json(provenance) | {"backbone": "resnet50", "preprocessing": other})
    done = prediction.run_rule("model_reference", "/reference.json")
    assert done.returncode != 0
    assert "model.keras is damaged, or not a model of the backbone that its provenance.json names" in done.stdout
    assert "Traceback" not in done.stdout


def test_predict_without_scans_says_what_it_needs(tmp_path) -> None:
    done = made_workspace(tmp_path, {"clinic": "target"}).snakemake("--cores", "1", "-n", "predict")
    assert done.returncode != 0
    assert "predict needs scans and a model: --config scans=DIR" in done.stdout
