"""Cautions: what a reader should hold against the numbers, and only where the numbers do."""

import numpy as np
import pandas as pd

from lungsight.report.cautions import confounding, not_learned, split_overlap
from lungsight.report.results import RunResults
from tests.factories.results import changed, metrics_where, texts


def test_models_that_did_not_learn_are_named(results: RunResults) -> None:
    weak = metrics_where(results, roc_auc=0.7, roc_auc_lo=0.45, roc_auc_hi=0.9)
    assert "Stage 2: 2 of 2 models are not shown to be better than chance" in texts(not_learned(weak))
    assert "whole-resnet50-scratch (AUC 0.70 (0.45–0.90))" in texts(not_learned(weak))
    strong = metrics_where(results, roc_auc_lo=0.51)
    assert not_learned(strong) == []
    assert "no interval" in texts(not_learned(metrics_where(results, roc_auc_lo=np.nan)))


def overlap_texts(results: RunResults, **columns: object) -> str:
    return texts(split_overlap(changed(results, leakage=results.leakage.assign(**columns))))


def test_what_subsets_and_cohorts_share_is_stated(results: RunResults) -> None:
    assert overlap_texts(results) == (
        "No patient and no identical image lies in two subsets of a split, or in another cohort's training."
    )
    assert "leakage cannot be excluded" in overlap_texts(results, patients_known=0)
    assert "3 slices with pixels that also occur" in overlap_texts(results, identical_images_on_two_sides=3)
    images = overlap_texts(results, test_images_in_other_cohorts=[0, 4])
    assert images == "clinic, whole: 4 test slices with pixels that another cohort trains or validates on."
    patients = overlap_texts(results, test_slices_of_patients_in_other_cohorts=[1, 0])
    assert patients == "open, whole: 1 test slice of patients whom another cohort trains or validates on."
    by_slice = changed(results, run=results.run | {"split_unit": "slice"})
    assert "Slices, not patients, were split" in texts(split_overlap(by_slice))
    assert "No patient" not in texts(split_overlap(by_slice))


def test_official_lists_are_named_and_what_they_divide(results: RunResults) -> None:
    official = results.leakage["unit"].where(results.leakage["cohort"] != "clinic", "official")
    whole = overlap_texts(results, unit=official)
    assert whole.startswith("clinic: train, validation and test are the official lists of the data set.")
    assert "No patient and no identical image lies in two subsets" in whole
    divided = overlap_texts(results, unit=official, patients_on_two_sides=results.leakage["cohort"].eq("clinic") * 7)
    assert "clinic, whole: the official lists put 7 patients into two subsets." in divided
    assert "No patient" not in divided


def test_confounding_by_slices_per_patient_and_by_source(results: RunResults) -> None:
    assert confounding(results) == []
    splits = dict(results.splits)
    split = splits["open", "whole"]
    negative = split["label"] == "Non Covid"
    splits["open", "whole"] = pd.concat([split[~negative], split[negative].drop_duplicates("patient")])
    sentences = texts(confounding(changed(results, splits=splits)))
    by_class = "3.0 a patient in Covid-19 and 1.0 a patient in Non Covid"
    assert f"open: slices per patient differ by class ({by_class})" in sentences

    slices = dict(results.slices)
    sources = np.where(slices["open"]["label"] == "Covid-19", "north", "south")
    slices["open"] = slices["open"].assign(source=sources)
    assert "north and south hold one class only" in texts(confounding(changed(results, slices=slices)))
