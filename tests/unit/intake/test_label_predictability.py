"""Measure how well one aspect of a case predicts its label without a look at the lung."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungsight.intake.label_predictability import (
    accuracy_from_numbers,
    accuracy_from_words,
    label_predictability,
    predictability_of_cohorts,
)
from lungsight.tables import check_table, columns_in
from tests.factories.tables import POSITIVE, made_cohort


def test_a_decisive_value_is_recognised_and_chance_is_not():
    positive = np.arange(40) % 2 == 0
    assert accuracy_from_words(np.where(positive, "north", "south"), positive) == 1
    assert accuracy_from_words(np.full(40, "north"), positive) == 0.5
    assert accuracy_from_words(np.arange(40) // 4, positive) == 0.5, "every value is equally frequent in both classes"
    assert accuracy_from_words(np.arange(40).astype(str), positive) == 0.5, "a value that occurs once predicts nothing"
    rng = np.random.default_rng(2)
    chance = [accuracy_from_words(rng.choice(list("abcd"), 40), positive) for _ in range(200)]
    assert abs(np.mean(chance) - 0.5) < 0.08
    assert np.isnan(accuracy_from_words(np.array(["a", "b"]), np.array([True, True])))


def test_a_source_that_only_positives_have_predicts_them():
    positive = np.arange(40) < 20
    values = np.where(np.arange(40) < 10, "positives only", "shared")
    # The shared source holds all negatives and half of the positives. It predicts negative: wrong for 10 of 20.
    assert accuracy_from_words(values, positive) == pytest.approx((10 / 20 + 1) / 2)


def test_numbers_are_judged_by_the_roc_curve_in_either_direction():
    rng = np.random.default_rng(4)
    positive = rng.random(60) < 0.4
    values = rng.integers(0, 9, 60) - 2.0 * positive
    area = roc_auc_score(positive, values)
    assert accuracy_from_numbers(values, positive) == pytest.approx(max(area, 1 - area))
    assert accuracy_from_numbers(-values, positive) == pytest.approx(max(area, 1 - area))
    assert np.isnan(accuracy_from_numbers(values, np.ones(60, bool)))


def test_the_number_of_slices_of_a_patient_is_an_aspect(tmp_path):
    made_cohort(tmp_path, "c", patients=12)
    cases = pd.read_csv(tmp_path / "cohorts" / "c" / "cases.tsv", sep="\t", keep_default_na=False)
    cases["n_slices"] = np.where(cases["label"] == POSITIVE, 16, 1)
    table = label_predictability("c", cases, POSITIVE)
    check_table(table, "intake_labels", "intake_labels")
    predictability = table.set_index("aspect")
    assert predictability.loc["slices of a patient", "balanced_accuracy"] == 1
    assert predictability.loc["source", "balanced_accuracy"] == 0.5 and predictability.loc["source", "patients"] == 12
    assert "kernel" not in predictability.index, "an aspect that no case states is left out"


def test_a_run_without_labelled_cohorts_has_an_empty_table():
    table = predictability_of_cohorts({}, POSITIVE)
    assert table.empty and list(table.columns) == columns_in("intake_labels", [])


def test_of_three_classes_the_one_that_an_aspect_tells_best_is_named(tmp_path):
    made_cohort(tmp_path, "c", patients=12)
    cases = pd.read_csv(tmp_path / "cohorts" / "c" / "cases.tsv", sep="\t", keep_default_na=False)
    labels = np.array(["Covid-19", "CAP", "Normal"])[np.arange(12) % 3]
    cases = cases.assign(label=labels, n_slices=np.where(labels == "CAP", 16, 1 + np.arange(12) % 2))
    cases["source"] = np.where(labels == "Normal", "north", "south")
    table = predictability_of_cohorts({"c": cases, "two": cases[labels != "CAP"]}, "Covid-19")
    check_table(table, "intake_labels", "intake_labels")
    of_three = table[table["cohort"] == "c"].set_index("aspect")
    assert of_three.loc["slices of a patient", ["class", "balanced_accuracy"]].tolist() == ["CAP", 1.0]
    assert of_three.loc["source", ["class", "balanced_accuracy"]].tolist() == ["Normal", 1.0]
    assert set(table.loc[table["cohort"] == "two", "class"]) == {""}
    assert list(of_three.index) == list(label_predictability("c", cases[labels != "CAP"], "Covid-19")["aspect"])
