"""Each rule of a prediction by itself, on a made run with a small network; then all of them on a phantom's DICOM."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import LedoitWolf

from benchmarks.scale import STAND_IN
from lungsight.config_check import complete_config
from lungsight.explain.map_files import save_maps
from lungsight.explain.overlays import draw_overlay
from lungsight.explain.resample import upsample_bilinear
from lungsight.files import read_json, write_json
from lungsight.predict.image_descriptors import DESCRIPTORS, describe_image
from lungsight.predict.run_settings import run_settings
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, make_inference
from tests.factories.run import made_workspace
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort, made_manifest, made_slice, made_split, save_images
from tests.factories.workspace import ROOT, Workspace

SIZE = 48
PIPELINE = "whole-small_cnn-scratch"
MODEL = f"results/run/models/{PIPELINE}/stage2"


class Prediction(Workspace):
    """A workspace that asks for a prediction on `scans` instead of running a config."""

    def snakemake(self, *arguments: str, configured: bool = False) -> subprocess.CompletedProcess:
        asked = ("--config", "scans=scans", f"model={MODEL}", f"out={self.results}", "format=nifti")
        return super().snakemake(*asked, *arguments, configured=configured)

    def run_rule(self, rule: str, *targets: str) -> subprocess.CompletedProcess:
        paths = [f"{self.results}{target}" for target in targets]
        return self.snakemake("--cores", "2", "--show-failed-logs", "--allowed-rules", rule, "--", *paths)


def made_cache(folder: Path, slices, framework: str) -> None:
    """An image cache of made slices."""
    rng = np.random.default_rng(0)
    drawn = [made_slice(SIZE, label == POSITIVE, rng) for label in slices["label"]]
    images, masks = (np.stack(arrays).astype(np.uint8) for arrays in zip(*drawn, strict=True))
    save_images(folder, slices[["slice"]], **{framework: images, "masks": masks})


def made_report(run: Path) -> None:
    """What is read of a report: the verdict, and results at home, before adaptation and on an external cohort."""
    model = {"pipeline": PIPELINE, "stage": 2}
    verdict = {"verdict": "looks elsewhere", "sentence": "Looks elsewhere: the background suffices."}
    rows = [
        model
        | {"stage": stage, "cohort": cohort, "unit": unit, "n": 6, "recall": 2 / 3}
        | {"roc_auc": auc, "roc_auc_lo": auc - 0.1, "roc_auc_hi": auc + 0.05}
        for stage, cohort, auc in ((2, "clinic", 0.9), (1, "clinic", 0.55), (2, "extern", 0.5))
        for unit in ("slice", "patient")
    ]
    (run / "report").mkdir(exist_ok=True)
    pd.DataFrame([model | verdict]).to_csv(run / "report/verdicts.tsv", sep="\t", index=False)
    pd.DataFrame(rows).to_csv(run / "report/metrics.tsv", sep="\t", index=False)


@pytest.fixture
def prediction(tmp_path) -> Prediction:
    """A finished made run, results/run, and scans to ask it about."""
    folder = tmp_path
    run = folder / "results/run"
    slices = made_cohort(run, "clinic", patients=24, slices=2)
    split = made_split(run, "clinic", "whole", slices)
    made_cache(run / "training/images/clinic", slices, "whole")
    for name in ("open", "extern"):
        made_split(run, name, "whole", made_cohort(run, name, patients=6, slices=2, png=False))
    made_report(run)
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
    assert found["patients_unknown"] == []
    assert str(tmp_path) not in str(found)


def test_model_reference(prediction: Prediction) -> None:
    prediction.must_run("model_reference", "/reference.json")
    found = read_json(prediction.run_folder / "reference.json")
    learned = found["training_distribution"]
    assert (learned["kinds"], learned["contrast"], learned["held_out_patients"]) == (["series"], [0], 12)
    assert learned["alarm_rate"] == pytest.approx(1 / 13) and "which takes 19" in learned["sentence"]
    assert found["calibration"]["note"] == ""
    assert found["calibration"]["slope"] > 0
    # The mean of the training slices' pooled features, computed here without the library's own path.
    run = prediction.folder / "results/run"
    split = read_table(run / "splits/clinic/whole.tsv", "split")
    pixels = np.load(run / "training/images/clinic/000/whole.npy")[(split["split"] == "train").to_numpy()]
    import keras

    model, backbone = keras.saving.load_model(prediction.folder / MODEL / "model.keras"), backbones.load("small_cnn")
    maps = make_inference(keras.Model(model.input, model.get_layer(backbone.explained_layer).output), backbone)(pixels)
    with np.load(prediction.run_folder / "reference.npz", allow_pickle=False) as arrays:
        features = maps.mean(axis=(1, 2)).astype(np.float64)
        mean, spread = arrays["features.mean"], arrays["features.spread"]
        np.testing.assert_allclose(mean, features.mean(axis=0), rtol=1e-4, atol=1e-6)
        precision = LedoitWolf().fit((features - mean) / spread).precision_
        np.testing.assert_allclose(np.diag(arrays["features.precision"]), np.diag(precision), rtol=1e-2)
        descriptors = np.array([describe_image(image) for image in pixels])
        np.testing.assert_allclose(arrays["descriptors.mean"], descriptors.mean(axis=0))
        assert arrays["weights"].tolist() == [1.0] * 12
    width = descriptors[:, DESCRIPTORS.index("body_width")]
    np.testing.assert_allclose(found["training_images"]["body_width"], np.percentile(width, (5, 50, 95)))


def test_unknown_patients_reach_the_page(prediction: Prediction) -> None:
    path = prediction.folder / "results/run/run.json"
    write_json(path, read_json(path) | {"patients_unknown": ["clinic"]})
    prediction.must_run("model_reference", "/reference.json")
    learned = read_json(prediction.run_folder / "reference.json")["training_distribution"]
    assert learned["patients_known"] is False and learned["sentence"].startswith("The limit was set on 12 scans")
    prediction.must_run("model_record", "/model_record.json")
    found = read_json(prediction.run_folder / "model_record.json")
    assert [row["patients_known"] for row in found["training"]] == [True, False]
    assert {row["cohort"]: row["patients_known"] for row in found["results"]} == {"clinic": False, "extern": True}


def test_model_record(prediction: Prediction) -> None:
    prediction.must_run("model_record", "/model_record.json")
    found = read_json(prediction.run_folder / "model_record.json")
    assert found["verdict"] == {"verdict": "looks elsewhere", "sentence": "Looks elsewhere: the background suffices."}
    assert [(row["relation"], row["stage"], row["cohort"], row["roc_auc"]) for row in found["results"]] == [
        *(("own test patients", 2, "clinic", 0.9), ("before adaptation", 1, "clinic", 0.55)),
        ("never trained on", 2, "extern", 0.5),
    ]
    before, last = found["training"]
    assert (before["cohort"], last["cohort"]) == ("open", "clinic")
    assert last["patients"]["train"] == {POSITIVE: 6, NEGATIVE: 6}
    assert (last["kinds"], last["window"], last["contrast"]) == (
        *({"series": 24}, [-1250.0, 250.0]),
        {"with": 0, "without": 24, "unknown": 0},
    )
    assert last["ranges"]["spacing_slice"] == [5.0, 5.0]


def test_a_run_without_audit_and_report_has_a_record_all_the_same(prediction: Prediction) -> None:
    shutil.rmtree(prediction.folder / "results/run/report")
    shutil.rmtree(prediction.folder / "results/run/splits/open")
    prediction.must_run("model_record", "/model_record.json")
    found = read_json(prediction.run_folder / "model_record.json")
    assert (found["verdict"], found["results"]) == (None, [])
    assert [cohort["patients"] is None for cohort in found["training"]] == [True, False]


def take_in(prediction: Prediction) -> pd.DataFrame:
    """Make what intake, QC and the image cache leave of three new scans; returns their slices."""
    out = prediction.run_folder
    slices = made_cohort(out, "new", patients=3, slices=2, seed=5)
    made_manifest(out, "new", slices)
    made_cache(out / "training/images/new", slices, "whole")
    return slices


def test_predict(prediction: Prediction) -> None:
    """From what intake and QC leave to the page; a second time there is nothing to do."""
    take_in(prediction)
    rules = ("model_reference", "model_record", "predict_cases", "draw_predictions", "predict_page")
    prediction.must_reach("predict", *rules)
    page = (prediction.run_folder / "index.html").read_text(encoding="utf-8")
    assert page.count('<img src="overlays/') == 6
    assert page.index("the background suffices") < page.index("probability 0.")
    assert str(prediction.folder) not in page and "Ann" not in page
    again = prediction.snakemake("-n", "--allowed-rules", *rules, "predict", "--", "predict")
    assert "Nothing to be done" in again.stdout, again.stdout


def test_predict_cases(prediction: Prediction) -> None:
    out = prediction.run_folder
    prediction.must_run("model_reference", "/reference.json")
    slices = take_in(prediction)
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
    with np.load(out / "maps.npz", allow_pickle=False) as saved:
        assert list(saved["slices"]) == list(of_slices["slice"])
        assert saved["maps"].shape == (6, SIZE // 8, SIZE // 8) and saved["maps"].min() >= 0
    assert not (out / "overlays").exists(), "nothing is drawn here"


def test_draw_predictions(prediction: Prediction) -> None:
    """Pictures of tables and maps: of each scan the slices of its highest and its lowest probability."""
    out, slices = prediction.run_folder, take_in(prediction)
    maps = np.random.default_rng(3).random((6, 6, 6), dtype=np.float32)
    numbers = {"probability": [0.9, 0.2] * 3, "reason": "", "lung_mass": 0.5, "enrichment": 2.5}
    table = slices[["slice", "case", "z_index"]].assign(**numbers)
    write_table(out / "slice_predictions.tsv", table, "new_slice_predictions")
    save_maps(out / "maps.npz", table["slice"], maps)
    prediction.must_run("draw_predictions", "/overlays")
    first, second = table["slice"][:2]
    drawn = {path.name for path in (out / "overlays").glob("*.png")}
    assert len(drawn) == 6 and {f"{first}-highest.png", f"{second}-median.png"} <= drawn
    image, mask = (np.load(out / f"training/images/new/000/{name}.npy")[0] for name in ("whole", "masks"))
    heat = upsample_bilinear(maps[:1], image.shape)[0]
    expected = draw_overlay(image, mask > 0, heat, "slice 0 · p = 0.90", "enrichment 2.50 · lung mass 0.50", sided=True)
    assert (out / "overlays" / f"{first}-highest.png").read_bytes() == expected


def test_predict_page(prediction: Prediction) -> None:
    out, name = prediction.run_folder, f"{'a' * 16}-0003"
    said = {"lung_mass": 0.5, "enrichment": 2.5}
    one = {"row": 1, "case": "a" * 16, "patient": "b" * 16, "label": POSITIVE, "probability": 0.625, "threshold": 0.45}
    outside = {"out_of_range": "window", "out_of_range_note": "unknown"}
    rest = outside | {"outcome_note": "<b>high</b>", "probability_raw": 0.6, "positive_share": 1.0}
    write_table(out / "predictions.tsv", [one | rest | said | {"n_slices": 9, "n_used": 1}], "new_predictions")
    of_slice = {"slice": name, "case": "a" * 16, "z_index": 3, "probability": 0.6, "reason": ""}
    write_table(out / "slice_predictions.tsv", [of_slice | said], "new_slice_predictions")
    (out / "overlays").mkdir(parents=True, exist_ok=True)
    (out / "overlays" / f"{name}-highest.png").touch()
    calibration = {"slope": 1.0, "intercept": 0.0, "threshold": 0.45, "n_patients": 9, "note": ""}
    write_json(out / "reference.json", {"training_distribution": {}, "calibration": calibration})
    write_json(out / "model_record.json", {"verdict": None, "results": [], "training": []})
    prediction.must_run("predict_page", "/index.html")
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "For research only." in page
    assert "its audit did not run" in page and "no table of results" in page
    assert "Covid-19, probability 0.62 (threshold 0.45)" in page
    assert "&lt;b&gt;high" in page and "Out of distribution: window.</span> Unknown." in page
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


def test_predict_without_scans_is_refused(tmp_path) -> None:
    done = made_workspace(tmp_path, {"clinic": "target"}).snakemake("--cores", "1", "-n", "predict")
    assert done.returncode != 0
    assert "predict needs scans and a model: --config scans=DIR" in done.stdout


def test_a_patient_more_or_less_reaches_the_page_in_one_run(prediction: Prediction) -> None:
    """Programs make empty files here; what Snakemake plans and records is real."""
    prediction.snakefile = prediction.folder / "stand_in.smk"
    prediction.snakefile.write_text(STAND_IN.replace('"Snakefile"', f'"{ROOT / "Snakefile"}"'), encoding="utf-8")
    table, scans = prediction.folder / "results/new.private/scans.tsv", prediction.folder / "scans"

    def planned() -> str:
        return prediction.snakemake("-n", "--", "predict").stdout

    def run_twice() -> None:
        assert all(f"rule {rule}:" in planned() for rule in ("convert", "predict_cases", "predict_page"))
        prediction.snakemake("--cores", "2", "--", "predict")
        assert "Nothing to be done" in planned()

    run_twice()
    shutil.copytree(scans / "Ann", scans / "Ben")
    run_twice()
    assert table.read_text(encoding="utf-8") == "patient\tpath\nAnn\tAnn/scan.nii.gz\nBen\tBen/scan.nii.gz\n"
    shutil.rmtree(scans / "Ann")
    run_twice()
    assert table.read_text(encoding="utf-8") == "patient\tpath\nBen\tBen/scan.nii.gz\n"
    assert table.parent.stat().st_mode & 0o777 == 0o700


def test_another_prediction_in_the_same_folder_is_said(prediction: Prediction) -> None:
    prediction.must_run("convert", "/cohorts/new/shards/000/cases.tsv")
    shutil.copytree(prediction.folder / "scans", prediction.folder / "others")
    arguments = ("-n", "--", f"{prediction.results}/cohorts/new/shards/000/cases.tsv")
    assert "holds another prediction" not in prediction.snakemake(*arguments).stdout
    asked = ("--config", "scans=others", f"model={MODEL}", f"out={prediction.results}", "format=nifti")
    said = Workspace.snakemake(prediction, *asked, *arguments, configured=False).stdout
    assert "results/new holds another prediction, which this one replaces; --config out=DIR keeps both." in said
