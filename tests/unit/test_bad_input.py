"""Cohorts, images and files that no training was made for: a clear message, or a result that is still right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.metrics import metrics_with_intervals
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.fit import LabelledImages, fit
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import load_weights, make_inference, run_in_batches
from lungsight.training.provenance import check_parent
from tests.unit.splits.test_assignment import LABELS, checked, made, split_cohorts
from tests.unit.training.test_fit import PLAN, SIZE, new_model, run

FRACTIONS = [0.6, 0.2, 0.2]


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        (["Covid-19"] * 3, "no usable case is Non Covid"),
        (["Covid-19", "Covid-19", "Non Covid"], "only 2 patients are Covid-19, so a split by patient is impossible"),
        (["Covid-19"] * 3 + ["Non Covid"], "only one patient is Non Covid, so a split by patient is impossible"),
    ],
)
def test_three_patients_are_too_few(patients, message):
    with pytest.raises(UserError, match=message):
        checked(made("hospital", [(label, 5, 0) for label in patients]))


def test_three_patients_of_each_class_are_enough():
    assert checked(made("hospital", [(label, 5, 0) for label in LABELS for _ in range(3)])) == []


def test_more_folds_than_patients_of_a_class():
    cohort = made("hospital", [(label, 2, 0) for label in LABELS for _ in range(3)])
    with pytest.raises(UserError, match=r"splits\.folds is 5, but only 3 of its units .*choose at most 3 folds"):
        split_cohorts([cohort], "patient", FRACTIONS, 1, folds=5, fold=1)


def test_a_patient_with_both_labels_is_on_one_side_and_answers_once_for_each():
    """Covid-19 in one scan and not in the next: never torn, and drawn as one person by the bootstrap."""
    names = [f"{number:016x}" for number in range(16)]
    names[9] = names[0]  # the first of the second class is the first of the first
    cohort = made("hospital", [(label, 2, 0) for label in LABELS for _ in range(8)], names=names)
    split = split_cohorts([cohort], "patient", FRACTIONS, 1)
    assert split.groupby("patient")["split"].nunique().max() == 1
    table = split.assign(probability=np.linspace(0, 1, len(split)))
    answers = patient_level(table)
    assert answers[answers["patient"] == names[0]]["label"].tolist() == LABELS
    assert metrics_with_intervals(answers, LABELS[0], resamples=20, seed=1)["n"] == 16


def test_a_batch_larger_than_the_cohort_is_one_step_an_epoch():
    model = new_model()
    before = [variable.numpy() for variable in model.trainable_variables]
    history = run(model, replace(PLAN, batch_size=512))
    assert len(PLAN.rates(1, 11)) == 3 and len(replace(PLAN, batch_size=512).rates(1, 11)) == 1
    assert np.isfinite([row["loss"] for row in history]).all()
    assert any((one.numpy() != other).any() for one, other in zip(model.trainable_variables, before, strict=True))


def test_images_that_are_black_all_over_train_and_are_answered():
    """Segmented slices without a lung: nothing to learn from, and nothing that is not a number."""
    labels = np.arange(8) % 2
    black = LabelledImages(np.zeros((8, SIZE, SIZE), np.uint8), np.arange(8), labels)
    model, backbone = new_model(), backbones.load("small_cnn")
    history = fit(model, backbone, binary_crossentropy, black, black, PLAN)
    assert np.isfinite([row["val_loss"] for row in history]).all()
    outputs = run_in_batches(make_inference(model, backbone), black.pixels, black.rows)
    assert np.isfinite(outputs).all() and len(np.unique(outputs)) == 1


def test_a_page_in_place_of_weights_is_refused(tmp_path: Path):
    """What a download leaves behind a login: HTML under the name of the file."""
    path = tmp_path / "resnet50.h5"
    path.write_text("<!doctype html><title>Sign in</title>", encoding="utf-8")
    with pytest.raises(UserError, match=r"resnet50\.h5 does not hold weights without top"):
        load_weights(new_model(), path, content="weights without top of this backbone")


@pytest.mark.parametrize("damage", ["", '{"backbone": "small_', "[1, 2"])
def test_a_provenance_that_was_cut_short_is_named(tmp_path: Path, damage: str):
    path = tmp_path / "provenance.json"
    path.write_text(damage, encoding="utf-8")
    with pytest.raises(UserError, match=r"provenance\.json is damaged .*Delete it and run again"):
        check_parent(path, "small_cnn", "x", SIZE)


@pytest.mark.parametrize("probability", ["nan", "1.5", "-0.1", "", "yes"])
def test_predictions_that_are_no_probabilities_are_not_evaluated(tmp_path: Path, probability: str):
    path = tmp_path / "hospital.tsv"
    row = {"slice": "a" * 16 + "-0000", "patient": "b" * 16, "label": LABELS[0], "split": "test", "probability": 0.5}
    write_table(path, pd.DataFrame([row]), "predictions")
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", probability), encoding="utf-8")
    with pytest.raises(UserError, match="probability"):
        read_table(path, "predictions")
