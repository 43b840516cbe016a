"""A scan is predicted from its slices, or has the reason why not."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lungsight.classes import Classes
from lungsight.explain.gradcam import PRIMARY
from lungsight.explain.reasons import REJECTED
from lungsight.predict import inference
from lungsight.predict.calibration import Calibration
from lungsight.predict.cases import predict_cases, slices_to_draw
from lungsight.predict.class_calibration import ClassCalibration
from lungsight.predict.inference import predict_slices
from lungsight.tables import check_table
from lungsight.training.image_cache import CachedImages
from tests.factories.tables import NEGATIVE, POSITIVE
from tests.unit.predict.test_out_of_distribution import NOTHING, cases, described, distribution

CLASSES = Classes.of([POSITIVE, NEGATIVE])


def used(*probabilities: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            **{"slice": [f"{'a' * 16}-{k:04d}" for k in range(len(probabilities))], "case": "a" * 16},
            **{"z_index": range(len(probabilities)), "probability": probabilities},
            **{"lung_mass": 0.5, "enrichment": ([2.0] * len(probabilities))[:-1] + [np.nan] * bool(probabilities)},
        }
    )


def test_a_scan_has_the_mean_of_its_slices_and_a_rejected_one_its_reason():
    trained, rng = distribution()
    table = pd.concat([cases(), cases(row=2, case="c" * 16, status="rejected", reason="no PixelSpacing", n_slices=0)])
    calibration = Calibration(1.0, 0.0, 0.4, 9, "")
    slices = described(rng, n=3)
    arguments = table, used(0.2, 0.4, 0.9), slices, "whole", [POSITIVE, NEGATIVE], calibration, trained
    predicted = predict_cases(*arguments, predict_patient=lambda probability, _: probability.mean(axis=0))
    check_table(predicted, "new_predictions", "predictions")
    first, second = predicted.to_dict("records")
    assert first["probability"] == pytest.approx(0.5)
    assert (first["label"], first["n_used"], first["n_slices"]) == (POSITIVE, 3, 9)
    assert first["positive_share"] == pytest.approx(1 / 3)
    assert first["enrichment"] == pytest.approx(2.0)
    assert second["outcome_note"] == "no prediction; rejected: no PixelSpacing"
    assert np.isnan(second["probability"])
    assert second["label"] == ""
    # A network that pools slices predicts from the features of the case.
    pooled = predict_cases(
        *arguments, predict_patient=lambda _, of_case: np.array([(of_case == slices.features).all() / 4])
    )
    assert pooled.loc[0, "probability_raw"] == 0.25


def test_a_scan_unlike_the_training_has_words_and_what_was_found():
    trained, rng = distribution()
    far, calibration = described(rng, n=3, shift=30.0), Calibration(1.0, 0.0, 0.4, 9, "")
    table = cases(kind="image", spacing_slice=20.0)
    predicted = predict_cases(
        *(table, used(0.2, 0.4, 0.9), far, "whole", [POSITIVE, NEGATIVE], calibration, trained),
        predict_patient=lambda probability, _: probability.mean(axis=0),
    )
    check_table(predicted, "new_predictions", "predictions")
    words, notes = (predicted.loc[0, name].split("; ") for name in ("out_of_range", "out_of_range_note"))
    assert words[:3] == ["file kind", "window", "slice spacing"] and words[-1] == "features"
    assert len(words) == len(notes) and "slice spacing 20 mm" in notes[2]


def test_a_scan_without_a_usable_slice_has_the_reason():
    trained, _ = distribution()
    calibration = Calibration(1.0, 0.0, 0.5, 0, "")
    arguments = cases(), used(0.5)[:0], NOTHING, "segmented", [POSITIVE, NEGATIVE], calibration, trained
    predicted = predict_cases(*arguments, predict_patient=lambda probability, _: probability.mean(axis=0))
    assert (
        predicted.loc[0, "outcome_note"]
        == "no prediction; no slice of a whole image has a lung mask that is good enough"
    )


def test_no_slice_gives_an_empty_table():
    cached = CachedImages(np.zeros((0, 8, 8), np.uint8), pd.Index([]))
    slices, nobody = used()[["slice", "case", "z_index"]], pd.Index([])
    predictions = predict_slices(None, None, slices, cached, cached, nobody, CLASSES, CLASSES.names, 0.5)
    check_table(predictions.slices, "new_slice_predictions", "slices")
    assert len(predictions.slices) == len(predictions.features) == 0


def test_a_rejected_mask_has_a_probability_and_no_lung_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three slices, the second with a mask that did not pass quality control: it is predicted, its map not measured."""
    pixels = np.tile(np.arange(64, dtype=np.uint8).reshape(8, 8), (3, 1, 1))
    lungs = np.zeros((3, 8, 8), np.uint8)
    lungs[:, 2:6, 2:6] = 255
    slices = used(0, 0, 0)[["slice", "case", "z_index"]].assign(patient="p", label="")
    names = pd.Index(slices["slice"])
    predicted = np.array([[0.9], [0.8], [0.2]]), np.zeros((3, 4))
    monkeypatch.setattr(inference, "PredictionNetwork", lambda model, backbone: lambda images, rows: predicted)
    monkeypatch.setattr(inference, "primary_target", lambda layer: None)

    class Explaining:
        methods = (PRIMARY,)

        def __call__(self, images: np.ndarray, numbers: np.ndarray) -> dict[str, np.ndarray]:
            return {PRIMARY: np.ones((len(numbers), 4, 4), np.float32)}

    monkeypatch.setattr(inference, "GradCam", lambda model, targets: Explaining())
    backbone = SimpleNamespace(explained_layer="last", preprocessing="")
    monkeypatch.setattr(inference, "to_input", lambda backbone, images: images)
    images, masks = CachedImages(pixels, names), CachedImages(lungs, names)
    found = predict_slices(None, backbone, slices, images, masks, names[[0, 2]], CLASSES, CLASSES.names, 0.5).slices
    assert list(found["probability"]) == [0.9, 0.8, 0.2]
    assert list(found["reason"]) == ["", REJECTED, ""]
    # A map of ones holds as much in the lung as the lung's share, 16 of 64 pixels.
    assert found["lung_mass"].to_list() == pytest.approx([0.25, np.nan, 0.25], nan_ok=True)
    assert found["enrichment"].to_list() == pytest.approx([1, np.nan, 1], nan_ok=True)


def test_pictures_are_highest_median_lowest():
    drawn = slices_to_draw(used(0.1, 0.9, 0.5, 0.3, 0.7))
    assert dict(zip(drawn["position"], drawn["probability"], strict=True)) == {
        "highest": 0.9,
        "median": 0.5,
        "lowest": 0.1,
    }
    assert slices_to_draw(used(0.4))["position"].tolist() == ["highest"]


def test_a_scan_of_several_classes_has_them_all_ranked():
    """The pictures are those of the class that is the most probable over the scan."""
    labels, p = ["Covid-19", "CAP", "Normal"], np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1], [0.2, 0.6, 0.2]])
    trained, rng = distribution()
    slices = used(*p[:, 0]).assign(p_1=p[:, 0], p_2=p[:, 1], p_3=p[:, 2], predicted=["Covid-19", "CAP", "CAP"])
    calibration = ClassCalibration(2.0, 9, "")
    predicted = predict_cases(
        *(cases(), slices, described(rng, n=3), "whole", labels, calibration, trained),
        predict_patient=lambda probabilities, _: probabilities.mean(axis=0),
    )
    check_table(predicted, "new_predictions", "predictions")
    row, roots = predicted.iloc[0], np.sqrt(p.mean(axis=0))
    assert (row["label"], row["outcome_note"]) == ("CAP", "CAP: the most probable class")
    assert row[["p_1", "p_2", "p_3"]].tolist() == pytest.approx(roots / roots.sum())
    assert row["probability"] == row["p_1"] and row["positive_share"] == pytest.approx(1 / 3)
    assert [each.rpartition(" ")[0] for each in row["ranked"].split("; ")] == ["CAP", "Covid-19", "Normal"]
    drawn = slices_to_draw(slices.assign(case="a" * 16)).set_index("position")
    assert drawn["p_2"].to_dict() == {"highest": 0.8, "median": 0.6, "lowest": 0.3}
