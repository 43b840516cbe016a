"""New scans: what is found, calibrated, called unfamiliar and refused, where the answer is known."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.predict.calibration import Calibration, fit_calibration, log_odds
from lungsight.predict.cases import pictured, predict_cases
from lungsight.predict.inference import ask
from lungsight.predict.out_of_distribution import (
    TrainingDistribution,
    fit_training_distribution,
    mahalanobis,
    out_of_distribution_features,
    out_of_range_values,
)
from lungsight.predict.request import prediction_request
from lungsight.predict.run_settings import run_settings
from lungsight.predict.scans import find_scans
from lungsight.tables import check_table
from lungsight.training.image_cache import CachedImages
from tests.factories.tables import NEGATIVE, POSITIVE

DICOM = bytes(128) + b"DICM" + bytes(8)
FACTS = {
    **{"spacing_row": 0.7, "spacing_slice": 1.5, "slice_thickness": 1.5, "kvp": 120.0, "contrast": 0},
    **{"hu_p01": -1000.0, "hu_p50": -600.0, "hu_p99": 100.0},
}


def write(path: Path, content: bytes = b"") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def test_a_row_for_every_series_folder_volume_and_picture(tmp_path):
    write(tmp_path / "Ann/ct/0001", DICOM)
    write(tmp_path / "Ann/ct/0002", DICOM)
    write(tmp_path / "Ann/notes.txt", b"no scan")
    write(tmp_path / "Ben/image.dcm")
    write(tmp_path / "Cid/scan.nii.gz")
    write(tmp_path / "Dora/slice 1.PNG")
    write(tmp_path / ".hidden/0001", DICOM)
    found = find_scans(tmp_path)
    assert found["dicom"] == [{"patient": "Ann", "path": "Ann/ct"}, {"patient": "Ben", "path": "Ben"}]
    assert found["nifti"] == [{"patient": "Cid", "path": "Cid/scan.nii.gz"}]
    assert found["png"] == [{"patient": "Dora", "path": "Dora/slice 1.PNG"}]


def test_files_without_a_folder_are_patients_of_their_own(tmp_path):
    for name in ("Ann.nii", "Ben.nii"):
        write(tmp_path / name)
    assert [row["patient"] for row in find_scans(tmp_path)["nifti"]] == ["", ""]


def test_a_link_to_a_folder_outside_is_not_followed(tmp_path):
    write(tmp_path / "elsewhere/0001", DICOM)
    (tmp_path / "scans").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "scans/link")
    assert find_scans(tmp_path / "scans")["dicom"] == []


def predictions(positive: list[float], negative: list[float], split: str = "val") -> pd.DataFrame:
    """One slice a patient."""
    labels = [POSITIVE] * len(positive) + [NEGATIVE] * len(negative)
    names = [f"{number:016x}" for number in range(len(labels))]
    return pd.DataFrame(
        {"slice": names, "patient": names, "label": labels, "split": split, "probability": positive + negative}
    )


def test_platt_scaling_minimises_the_cross_entropy_with_smoothed_targets():
    positive, negative = [0.9, 0.8, 0.4, 0.7], [0.2, 0.5, 0.1, 0.3, 0.05]
    fitted = fit_calibration(predictions(positive, negative), POSITIVE)
    scores, target = log_odds(np.array(positive + negative)), np.array([5 / 6] * 4 + [1 / 7] * 5)

    def loss(parameters):
        chance = expit(parameters[0] * scores + parameters[1])
        return -(target * np.log(chance) + (1 - target) * np.log(1 - chance)).sum()

    best = minimize(loss, [1, 0], tol=1e-12).x
    assert (fitted.slope, fitted.intercept) == pytest.approx(tuple(best), abs=1e-3)
    assert fitted.note == ""
    assert fitted.n_patients == 9


def test_calibration_uses_validation_patients_only():
    own = predictions([0.9, 0.8, 0.4, 0.7], [0.2, 0.5, 0.1])
    other = predictions([0.01] * 9, [0.99] * 9, split="test")
    assert fit_calibration(pd.concat([own, other]), POSITIVE) == fit_calibration(own, POSITIVE)


@pytest.mark.parametrize(
    ("positive", "negative", "words"),
    [([0.9, 0.8], [0.1, 0.2, 0.3], "2 of the rarer class"), ([0.1, 0.2, 0.3], [0.9, 0.8, 0.7], "does not rise")],
)
def test_too_few_patients_or_a_model_that_is_wrong_are_not_calibrated(positive, negative, words):
    fitted = fit_calibration(predictions(positive, negative), POSITIVE)
    assert words in fitted.note
    np.testing.assert_allclose(fitted(np.array([0.3])), [0.3])
    assert fitted.threshold == 0.5


def test_the_threshold_divides_the_calibrated_validation_patients():
    fitted = fit_calibration(predictions([0.9, 0.8, 0.7, 0.65], [0.2, 0.3, 0.1]), POSITIVE)
    assert fitted.threshold == pytest.approx(fitted(np.array([0.3, 0.65])).mean())


def cases(**columns) -> pd.DataFrame:
    identity = {"row": 1, "case": "a" * 16, "patient": "b" * 16, "status": "ok", "reason": "", "n_slices": 9}
    return pd.DataFrame([identity | FACTS | columns])


def distribution(n: int = 400, d: int = 3) -> tuple[TrainingDistribution, np.random.Generator]:
    rng = np.random.default_rng(0)
    both = pd.concat([cases(), cases(spacing_slice=2.5, hu_p50=-500.0)])
    return fit_training_distribution(both, rng.normal(size=(n, d)), rng.normal(size=(n, d))), rng


def test_facts_outside_the_trained_range_are_named_with_their_unit():
    known, _ = distribution()
    assert out_of_range_values(cases(spacing_slice=2.55).iloc[0], known) == []
    (found,) = out_of_range_values(cases(spacing_slice=5.0).iloc[0], known)
    assert found == "slice spacing 5 mm (trained on 1.5 to 2.5)"
    assert out_of_range_values(cases(contrast=1).iloc[0], known) == ["with contrast agent (trained on the other)"]
    assert out_of_range_values(cases(spacing_slice=np.nan, contrast=np.nan).iloc[0], known) == []


def test_mahalanobis_distance_is_scipys():
    from scipy.spatial.distance import mahalanobis as peer

    rng = np.random.default_rng(1)
    features, mean, root = rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=(4, 4))
    precision = root @ root.T
    np.testing.assert_allclose(mahalanobis(features, mean, precision), [peer(row, mean, precision) for row in features])


def test_features_far_from_the_training_are_unfamiliar():
    known, rng = distribution()
    assert out_of_distribution_features(rng.normal(size=(7, 3)), known) == []
    (found,) = out_of_distribution_features(rng.normal(size=(7, 3)) + 8, known)
    assert "99% of the validation slices" in found


def test_familiar_survives_its_files():
    known, _ = distribution()
    again = TrainingDistribution.of(json.loads(json.dumps(known.to_json())), known.arrays())
    far = cases(kvp=80.0).iloc[0]
    assert out_of_range_values(far, again) == out_of_range_values(far, known) != []
    assert again.distance == known.distance


def used(*probabilities: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"slice": [f"{'a' * 16}-{k:04d}" for k in range(len(probabilities))], "case": "a" * 16},
            **{"z_index": range(len(probabilities)), "probability": probabilities},
            **{"lung_mass": 0.5, "enrichment": ([2.0] * len(probabilities))[:-1] + [np.nan] * bool(probabilities)},
        }
    )


def test_a_scan_has_the_mean_of_its_slices_and_a_rejected_one_its_reason():
    known, rng = distribution()
    table = pd.concat([cases(), cases(row=2, case="c" * 16, status="rejected", reason="no PixelSpacing", n_slices=0)])
    calibration = Calibration(1.0, 0.0, 0.4, 9, "")
    features = rng.normal(size=(3, 3))
    asked = table, used(0.2, 0.4, 0.9), features, "whole", [POSITIVE, NEGATIVE], calibration, known
    found = predict_cases(*asked, answer=lambda probability, _: probability.mean())
    check_table(found, "new_predictions", "predictions")
    first, second = found.to_dict("records")
    assert first["probability"] == pytest.approx(0.5)
    assert (first["label"], first["n_used"], first["n_slices"]) == (POSITIVE, 3, 9)
    assert first["positive_share"] == pytest.approx(1 / 3)
    assert first["enrichment"] == pytest.approx(2.0)
    assert second["outcome_note"] == "no prediction; rejected: no PixelSpacing"
    assert np.isnan(second["probability"])
    assert second["label"] == ""
    # A network that pools slices is asked about the features of the case.
    pooled = predict_cases(*asked, answer=lambda _, own: float((own == features).all()) / 4)
    assert pooled.loc[0, "probability_raw"] == 0.25


def test_a_scan_without_a_usable_slice_says_so():
    known, _ = distribution()
    calibration = Calibration(1.0, 0.0, 0.5, 0, "")
    asked = cases(), used(0.5)[:0], np.zeros((0, 3)), "segmented", [POSITIVE, NEGATIVE], calibration, known
    found = predict_cases(*asked, answer=lambda probability, _: probability.mean())
    assert found.loc[0, "outcome_note"] == "no prediction; no slice has a lung mask that is good enough"


def test_nothing_to_ask_about_is_an_empty_answer():
    cached = CachedImages(np.zeros((0, 8, 8), np.uint8), pd.Index([]))
    answer = ask(None, None, used()[["slice", "case", "z_index"]], cached, cached, POSITIVE, 0.5)
    check_table(answer.slices, "new_slice_predictions", "slices")
    assert len(answer.slices) == len(answer.features) == 0


def test_pictures_are_highest_median_lowest():
    drawn = pictured(used(0.1, 0.9, 0.5, 0.3, 0.7))
    assert dict(zip(drawn["position"], drawn["probability"], strict=True)) == {
        "highest": 0.9,
        "median": 0.5,
        "lowest": 0.1,
    }
    assert pictured(used(0.4))["position"].tolist() == ["highest"]


def finished_run(folder: Path, **of_cohort: dict) -> Path:
    """What `prediction_request` looks at of a run. Returns the model's folder."""
    roles = {"lungs": "segmentation", "open": "public", "clinic": "target"}
    cohorts = {
        name: {"role": role, "format": "dicom", "root": f"secret/{name}", "table": "secret/t.tsv"}
        | of_cohort.get(name, {})
        for name, role in roles.items()
    }
    config = complete_config({"results": "results/x", "cohorts": cohorts, "intake": {"window": [-1000, 400]}})
    write(folder / "run.json", json.dumps(run_settings(config)).encode())
    model = folder / "models/segmented-resnet50-scratch/stage2"
    for name in ("model.keras", "provenance.json"):
        write(model / name)
    return model


def test_a_request_takes_over_how_the_run_made_images(tmp_path):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "results": "other", "cohorts": {}})
    assert request.config["intake"]["window"] == [-1000, 400]
    assert request.config["results"] == "results/predict"
    assert request.config["segmentation"]["model"] == str(tmp_path / "run/segmentation/model")
    assert request.training_cohort == "clinic"
    assert [(row.row, row.patient, row.path) for row in request.rows] == [(1, "Ann", "Ann")]


def test_names_stay_out_of_the_results_whatever_ends_the_folder(tmp_path):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    request = prediction_request({"scans": tmp_path / "scans", "model": model, "out": "results/new/"})
    assert request.config["cohorts"]["new"]["table"] == "results/new.private/scans.tsv"


def test_a_scan_may_be_as_short_as_those_of_the_models_own_cohort(tmp_path):
    model = finished_run(tmp_path / "run", clinic={"min_slices": 1})
    write(tmp_path / "scans/Ann/0001", DICOM)
    assert prediction_request({"scans": tmp_path / "scans", "model": model}).config["min_slices"] == 1


def test_a_run_remembers_no_path(tmp_path):
    model = finished_run(tmp_path)
    assert "secret" not in (model.parents[2] / "run.json").read_text(encoding="utf-8")


def without_model(folder: Path) -> dict:
    (finished_run(folder / "run") / "model.keras").unlink()
    return {}


def elsewhere(folder: Path) -> dict:
    for name in ("model.keras", "provenance.json"):
        write(folder / "stage2" / name)
    return {"model": folder / "stage2"}


def without_settings(folder: Path) -> dict:
    (folder / "run/run.json").unlink()
    return {}


def remembered(folder: Path, **changed: object) -> dict:
    """run.json with other values; without those that are None."""
    path = folder / "run/run.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | changed
    write(path, json.dumps({key: value for key, value in settings.items() if value is not None}).encode())
    return {}


def cut_short(folder: Path) -> dict:
    path = folder / "run/run.json"
    path.write_bytes(path.read_bytes()[:100])
    return {}


def misnamed(folder: Path) -> dict:
    for name in ("model.keras", "provenance.json"):
        write(folder / "run/models/mine/stage2" / name)
    return {"model": folder / "run/models/mine/stage2"}


def two_kinds(folder: Path) -> dict:
    write(folder / "scans/Ben/scan.nii")
    return {}


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (without_model, "has no model.keras"),
        (elsewhere, "not in the results of a run"),
        (without_settings, "makes it in a second"),
        (cut_short, r"run\.json is damaged, or of an earlier lungsight \(.*makes it in a second"),
        (
            lambda folder: remembered(folder, min_slices=5),
            r"earlier lungsight \(min_slices: 5 is not of type",
        ),
        (lambda folder: remembered(folder, qc=None), r"earlier lungsight \('qc' is a required property\)"),
        (lambda folder: remembered(folder, trained_on={"stage1": "open"}), "says nothing of stage2"),
        (misnamed, "is no trained model: it is not in the results of a run"),
        (lambda folder: {"model": folder / "run/models/segmented-resnet50-scratch/stage2/model.keras"}, "has no model"),
        (lambda folder: {"scans": folder / "scans/Ann/0001"}, "is a file; name the folder"),
        (lambda folder: {"out": folder / "scans/answers"}, "lies among the scans"),
        (two_kinds, "Say which: --config format=dicom"),
        (lambda folder: {"format": "jpeg"}, "none of dicom, nifti, png"),
        (lambda folder: {"format": "png"}, "no PNG or JPEG picture lies below"),
        (lambda folder: {"scans": folder / "nowhere"}, "does not exist"),
        (lambda folder: {"model": None}, "predict needs a model too"),
        (lambda folder: {"out": "results/a b"}, "holds a space"),
        (lambda folder: {"out": folder / "run"}, "is the run that the model comes from"),
    ],
)
def test_a_request_that_cannot_be_met_says_why(tmp_path, spoil, words):
    model = finished_run(tmp_path / "run")
    write(tmp_path / "scans/Ann/0001", DICOM)
    given = {"scans": tmp_path / "scans", "model": model} | spoil(tmp_path)
    with pytest.raises(UserError, match=words):
        prediction_request({key: value for key, value in given.items() if value is not None})
