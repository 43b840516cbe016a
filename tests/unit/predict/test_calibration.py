"""Probabilities are calibrated on validation patients, and a threshold is chosen there."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import expit, softmax

from lungsight.evaluation.temperature import fit_temperature
from lungsight.predict.calibration import fit_calibration, log_odds
from lungsight.predict.class_calibration import fit_class_calibration
from tests.factories.tables import NEGATIVE, POSITIVE


def predictions(positive: list[float], negative: list[float], split: str = "val") -> pd.DataFrame:
    """Make a table of predictions with one slice for each patient."""
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
    validation = predictions([0.9, 0.8, 0.4, 0.7], [0.2, 0.5, 0.1])
    test = predictions([0.01] * 9, [0.99] * 9, split="test")
    assert fit_calibration(pd.concat([validation, test]), POSITIVE) == fit_calibration(validation, POSITIVE)


@pytest.mark.parametrize(
    ("positive", "negative", "note"),
    [([0.9, 0.8], [0.1, 0.2, 0.3], "2 of the rarer class"), ([0.1, 0.2, 0.3], [0.9, 0.8, 0.7], "does not rise")],
)
def test_too_few_patients_or_a_falling_probability_are_not_calibrated(positive, negative, note):
    fitted = fit_calibration(predictions(positive, negative), POSITIVE)
    assert note in fitted.note
    np.testing.assert_allclose(fitted(np.array([0.3])), [0.3])
    assert fitted.threshold == 0.5


def test_the_threshold_divides_the_calibrated_validation_patients():
    fitted = fit_calibration(predictions([0.9, 0.8, 0.7, 0.65], [0.2, 0.3, 0.1]), POSITIVE)
    assert fitted.threshold == pytest.approx(fitted(np.array([0.3, 0.65])).mean())


def test_several_classes_are_calibrated_by_the_temperature_of_the_validation_patients() -> None:
    labels, rng = ["a", "b", "c"], np.random.default_rng(0)
    truth = np.arange(60) % 3
    logits = rng.normal(size=(60, 3)) + 2 * np.eye(3)[truth]
    sharp = softmax(6 * logits, axis=1)  # three times the logits that fit
    table = pd.DataFrame({f"p_{k + 1}": sharp[:, k] for k in range(3)}).assign(
        probability=sharp[:, 0], label=[labels[k] for k in truth], patient=[f"p{k}" for k in range(60)], split="val"
    )
    fitted = fit_class_calibration(table, labels, labels)
    assert (fitted.n_patients, fitted.note) == (60, "")
    assert fitted.temperature == fit_temperature(table, labels) > 1.5
    np.testing.assert_allclose(fitted(sharp), softmax(6 * logits / fitted.temperature, axis=1), atol=1e-5)
    few = fit_class_calibration(table.head(8), labels, labels)
    assert few.temperature is None and few.note.startswith("not calibrated: 8 validation patients, 2 of the rarest")
    np.testing.assert_array_equal(few(sharp), sharp)
