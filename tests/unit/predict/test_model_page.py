"""The page says what the model is worth before any probability, and what nobody knows of it."""

import re
from pathlib import Path

import pandas as pd
import pytest

from lungsight.audit.verdict import CONCLUSIONS
from lungsight.explain.reasons import REJECTED
from lungsight.predict.model_record import BEFORE, EXTERNAL, MEASURES, OWN
from lungsight.predict.model_section import training_table
from lungsight.predict.page import _no_numbers, render_page
from lungsight.tables import columns_of
from tests.factories.tables import NEGATIVE, POSITIVE

CASE = "a" * 16
PROVENANCE = {
    **{"pipeline": "whole-resnet50-scratch", "stage": 2, "labels": [POSITIVE, NEGATIVE], "images": {"train": 24}},
    "weights": {"kind": "parent"},
}
REFERENCE = {
    "calibration": {"slope": 1.0, "intercept": 0.0, "threshold": 0.45, "n_patients": 9, "note": ""},
    "training_distribution": {"sentence": "The limit was set on 12 patients."},
    "training_images": {"body_width": [0.7, 0.8, 0.9], "air_at_edge": [0.5, 0.95, 1.0]},
}
COHORT = {
    **{"stage": 2, "cohort": "clinic", "kinds": {"series": 24}, "window": [-1000, 400]},
    **{
        "ranges": {"rows": [512, 512], "spacing_slice": [1.5, 5.0]},
        "contrast": {"with": 1, "without": 0, "unknown": 23},
    },
    **{"patients": {"train": {POSITIVE: 6, NEGATIVE: 7}, "val": {}, "test": {POSITIVE: 3}}, "patients_known": True},
}


def result(relation: str, stage: int, cohort: str, auc: float) -> dict:
    numbers = {f"{name}{end}": None for name in MEASURES for end in ("", "_lo", "_hi")}
    aucs = {"roc_auc": auc, "roc_auc_lo": auc - 0.1, "roc_auc_hi": auc + 0.05}
    identity = {"relation": relation, "stage": stage, "cohort": cohort, "n": 30, "patients_known": True}
    return identity | numbers | aucs


RESULTS = [result(OWN, 2, "clinic", 0.87), result(BEFORE, 1, "clinic", 0.54), result(EXTERNAL, 2, "extern", 0.52)]
VERDICT = {"verdict": "looks elsewhere", "sentence": "Looks elsewhere: the background suffices."}
RECORD = {"verdict": VERDICT, "results": RESULTS, "training": [COHORT | {"stage": 1, "cohort": "open"}, COHORT]}


def rendered(record: dict = RECORD, reference: dict = REFERENCE) -> str:
    row = {"row": 1, "case": CASE, "patient": "b" * 16, "label": POSITIVE, "probability": 0.625, "threshold": 0.45}
    row |= {"outcome_note": "high", "out_of_range": "file kind; features", "out_of_range_note": "picture; far away"}
    row |= {
        "lung_mass": 0.5,
        "enrichment": 2.5,
        "probability_raw": 0.6,
        "positive_share": 1.0,
        "n_slices": 9,
        "n_used": 0,
    }
    slices = pd.DataFrame(columns=columns_of("new_slice_predictions"))
    return render_page(pd.DataFrame([row]), slices, Path("overlays"), PROVENANCE, reference, record)


def words_of(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.partition("<body>")[2]))


def test_verdict_results_and_training_come_before_any_prediction():
    words = words_of(rendered())
    first = min(words.index(f"1 {POSITIVE}"), words.index("probability 0.62"))
    for said in (
        *("Looks elsewhere: the background suffices.", "may follow something else", "0.87", "0.77–0.92"),
        *("before adaptation", "0.54", "never trained on", "0.52", "DICOM series (24)", "−1000 to 400 HU"),
        *(
            "1.5 to 5 mm",
            "with (1) and unknown (23)",
            f"Trained on: 6 {POSITIVE} and 7 {NEGATIVE}",
            "80 % of the width",
        ),
        "The limit was set on 12 patients.",
    ):
        assert said in words[:first], said


def test_several_classes_are_ranked_whatever_their_names_hold():
    names = ["Covid-19", "CAP; lobar", "Normal"]
    row = {"row": 1, "case": CASE, "patient": "b" * 16, "label": names[1], "probability": 0.3, "threshold": None}
    row |= {"outcome_note": f"{names[1]}: the most probable class", "out_of_range": "", "out_of_range_note": ""}
    row |= {"lung_mass": 0.5, "enrichment": 2.5, "probability_raw": 0.3, "positive_share": 0.0, "n_slices": 9}
    row |= {"n_used": 3, "p_1": 0.3, "p_2": 0.6, "p_3": 0.1, "ranked": "CAP; lobar 0.60; Covid-19 0.30; Normal 0.10"}
    reference = REFERENCE | {"calibration": {"temperature": 1.0, "n_patients": 9, "note": ""}}
    slices = pd.DataFrame(columns=columns_of("new_slice_predictions"))
    provenance = PROVENANCE | {"labels": names}
    page = render_page(pd.DataFrame([row]), slices, Path("overlays"), provenance, reference, RECORD)
    assert re.findall("<li>([^<]+ 0[.][0-9]+)</li>", page) == ["CAP; lobar 0.60", "Covid-19 0.30", "Normal 0.10"]
    assert "The results below are those of Covid-19 against the other classes." in words_of(page)
    assert "against the other classes" not in words_of(rendered())


def test_a_result_that_reaches_chance_is_a_warning_of_this_stage_alone():
    page = rendered()
    assert page.count("not shown to be better than chance") == 1
    assert "Never trained on, extern: not shown to be better than chance" in page


@pytest.mark.parametrize(
    ("auc", "said"),
    [
        ((0.2, 0.1, 0.3), "below chance (the interval of the AUC lies below 0.5)"),
        ((0.2, None, None), "no interval of the AUC could be computed"),
        ((None, None, None), "no AUC could be computed"),
    ],
)
def test_a_result_below_chance_or_without_an_auc_is_told_as_that(auc, said):
    row = RESULTS[0] | dict(zip(("roc_auc", "roc_auc_lo", "roc_auc_hi"), auc, strict=True))
    words = words_of(rendered(RECORD | {"results": [row, RESULTS[2]]}))
    assert f"Own test patients, clinic: {said}." in words
    assert words.count("reaches 0.5") == 1, "of the external cohort alone"


def test_images_of_unknown_patients_are_not_called_patients():
    unknown = {"patients_known": False}
    results = [row | unknown for row in RESULTS]
    training = [cohort | unknown for cohort in RECORD["training"]]
    learned = REFERENCE["training_distribution"] | unknown
    reference = REFERENCE | {"training_distribution": learned}
    words = words_of(rendered(RECORD | {"results": results, "training": training}, reference))
    assert "A person may have images in training and in test, so the results may be too good." in words
    assert "Never trained on, extern: the patients are unknown and each image counts as a patient." in words
    assert words.count("These are images, the patients are unknown") == 2
    assert "9 validation images" in words and "validation patient" not in words
    assert "patients are unknown and" not in words_of(rendered())


def test_what_is_unknown_stands_in_the_column_of_every_cohort():
    cohorts = [cohort | {"ranges": {}} for cohort in RECORD["training"]]
    (row,) = [row for row in training_table({"training": cohorts}, None).rows if row[0].text == "Unknown"]
    assert row[1].text == row[2].text and row[1].text.startswith("rows of an image, columns of an image")


def test_a_model_that_was_tested_at_home_alone_is_said():
    assert "never tested on patients of a cohort that it was not trained on" not in rendered()
    at_home = RECORD | {"results": RESULTS[:2]}
    assert "never tested on patients of a cohort that it was not trained on" in rendered(at_home)


def test_an_older_run_has_a_sentence_for_all_that_it_lacks():
    cohort = {"stage": 2, "cohort": "clinic", "patients": None, "kinds": None, "patients_known": True}
    reference = {"calibration": REFERENCE["calibration"]}
    words = words_of(rendered({"verdict": None, "results": [], "training": [cohort]}, reference))
    assert "Nobody has tested whether the model looks at the lung" in words
    assert "nothing is known of how it does on patients that it has not seen" in words
    assert "How often this alarm is false is unknown." in words
    assert words.count("unknown") == 5
    assert "Unknown contrast agent, rows of an image, columns of an image, pixel spacing" in words


@pytest.mark.parametrize("verdict", [*CONCLUSIONS.values(), "a verdict of tomorrow"])
def test_any_verdict_is_shown_and_only_the_lung_goes_without_a_warning(verdict):
    page = rendered(RECORD | {"verdict": {"verdict": verdict, "sentence": f"{verdict}: so."}})
    assert f"{verdict}: so." in page
    assert ("may follow something else" in page) == (verdict != CONCLUSIONS["lung"])


def test_each_word_of_out_of_range_stands_with_what_was_found():
    page = rendered()
    assert "Out of distribution: file kind.</span> Picture." in page
    assert "Out of distribution: features.</span> Far away." in page


def test_a_map_that_was_not_measured_has_its_reason():
    slices = [{"reason": ""}, {"reason": REJECTED}, {"reason": REJECTED}]
    assert _no_numbers(slices) == "; not measured: the lung mask did not pass quality control (2)"
    assert _no_numbers(slices[1:2]) == "; not measured: the lung mask did not pass quality control"
    assert _no_numbers(slices[:1]) == ""


def test_what_the_tables_hold_is_escaped():
    evil = RECORD | {"verdict": {"verdict": "looks elsewhere", "sentence": "<script>alert(1)</script>"}}
    assert "<script>alert" not in rendered(evil)
