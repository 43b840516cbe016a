"""Unusual cohorts, images and files give a clear message, or a result that is still right."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lungsight.errors import UserError
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.metrics import metrics_with_intervals
from lungsight.intake.cohort_table import read_cohort_table
from lungsight.splits.precheck import cohort_of_rows
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.fit import fit
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import load_weights, make_inference, run_in_batches
from lungsight.training.provenance import check_parent
from tests.unit.splits.test_assignment import LABELS, cohort_of, split_cohorts, warnings_of
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
        warnings_of(cohort_of("hospital", [(label, 5, 0) for label in patients]))


def test_three_patients_of_each_class_are_enough():
    assert warnings_of(cohort_of("hospital", [(label, 5, 0) for label in LABELS for _ in range(3)])) == []


def test_more_folds_than_patients_of_a_class():
    cohort = cohort_of("hospital", [(label, 2, 0) for label in LABELS for _ in range(3)])
    with pytest.raises(UserError, match=r"splits\.folds is 5, but only 3 of its units .*choose at most 3 folds"):
        split_cohorts([cohort], "patient", FRACTIONS, 1, folds=5, fold=1)


def test_a_patient_with_both_labels_is_in_one_subset_and_predicted_once_for_each():
    """A patient with Covid-19 in one scan alone is never divided, and the bootstrap draws one person."""
    names = [f"{number:016x}" for number in range(16)]
    names[9] = names[0]  # the first of the second class is the first of the first
    cohort = cohort_of("hospital", [(label, 2, 0) for label in LABELS for _ in range(8)], names=names)
    split = split_cohorts([cohort], "patient", FRACTIONS, 1)
    assert split.groupby("patient")["split"].nunique().max() == 1
    table = split.assign(probability=np.linspace(0, 1, len(split)))
    predictions = patient_level(table)
    assert predictions[predictions["patient"] == names[0]]["label"].tolist() == LABELS
    assert metrics_with_intervals(predictions, LABELS[0], resamples=20, seed=1)["n"] == 16


def test_a_batch_larger_than_the_cohort_is_one_step_an_epoch():
    model = new_model()
    before = [variable.numpy() for variable in model.trainable_variables]
    history = run(model, replace(PLAN, batch_size=512))
    assert len(PLAN.rates(1, 11)) == 3 and len(replace(PLAN, batch_size=512).rates(1, 11)) == 1
    assert np.isfinite([row["loss"] for row in history]).all()
    assert any((now.numpy() != then).any() for now, then in zip(model.trainable_variables, before, strict=True))


def test_black_images_can_be_trained_on_and_predicted():
    """Segmented slices without a lung teach nothing, but every loss and output is a number."""
    labels = np.arange(8) % 2
    black = LabelledImages(np.zeros((8, SIZE, SIZE), np.uint8), np.arange(8), labels)
    model, backbone = new_model(), backbones.load("small_cnn")
    history = fit(model, backbone, binary_crossentropy, black, black, PLAN)
    assert np.isfinite([row["val_loss"] for row in history]).all()
    outputs = run_in_batches(make_inference(model, backbone), black.pixels, black.rows)
    assert np.isfinite(outputs).all()
    np.testing.assert_allclose(outputs, outputs[0, 0], rtol=1e-5)  # rows of a batch may be rounded apart


def test_a_web_page_in_place_of_weights_is_refused(tmp_path: Path):
    """A download behind a login leaves HTML under the name of the file."""
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
def test_predictions_that_are_not_probabilities_are_refused(tmp_path: Path, probability: str):
    path = tmp_path / "hospital.tsv"
    row = {"slice": "a" * 16 + "-0000", "patient": "b" * 16, "label": LABELS[0], "split": "test", "probability": 0.5}
    write_table(path, pd.DataFrame([row]), "predictions")
    path.write_text(path.read_text(encoding="utf-8").replace("0.5", probability), encoding="utf-8")
    with pytest.raises(UserError, match="probability"):
        read_table(path, "predictions")


@pytest.mark.parametrize(("rule", "divided"), [("normalise", False), ("exact", True)])
def test_a_person_in_two_spellings_is_on_one_side_of_the_split(tmp_path: Path, rule: str, divided: bool):
    """A spreadsheet took the leading zeros of half the rows: 24 people, of whom many would be trained and tested on."""
    (tmp_path / "scans").mkdir()
    lines = ["patient\tpath\tlabel"]
    for person in range(1, 25):
        for visit, name in enumerate((f"{person:07d}", f"{person}")):
            (tmp_path / "scans" / f"{person}-{visit}").mkdir()
            lines.append(f"{name}\t{person}-{visit}\t{LABELS[person % 2]}")
    (tmp_path / "table.tsv").write_text("\n".join(lines), encoding="utf-8")
    cohort = {"role": "target", "format": "dicom", "patients": "known", "patient_ids": rule}
    cohort |= {"root": str(tmp_path / "scans"), "table": str(tmp_path / "table.tsv")}
    rows = read_cohort_table("hospital", cohort, {label: [label] for label in LABELS})
    split = split_cohorts([cohort_of_rows("hospital", "target", rows, shared_ids=False)], "patient", FRACTIONS, 1)
    person = [int(rows[row - 1].patient) for row in split["row"]]
    assert (split.groupby(person)["split"].nunique().max() > 1) == divided
    assert len(split) == 48
