"""The page of intake: what was lost, what is there twice and what predicts the label."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from lungsight.intake.counts import counts_of_cohorts
from lungsight.intake.label_predictability import predictability_of_cohorts
from lungsight.report.charts import BLUE, ORANGE, class_colours
from lungsight.report.intake_page import (
    SHOWN_ON_SHEET,
    IntakeResults,
    about_predictability,
    contact_sheet,
    ids_table,
    render_intake,
    statements,
)
from lungsight.tables import columns_of, read_table
from tests.factories.forensics import answer_rows, made_traces
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort

RUN = {
    **{"title": "A <b>title</b>", "window": [-1250, 250], "labels": [POSITIVE, NEGATIVE]},
    "cohorts": [
        {"name": "nsclc", "role": "segmentation", "labelled": False},
        {"name": "hospital", "role": "target", "labelled": True},
    ],
    "ids": [
        {"cohort": "nsclc", "rule": "", "rows": 3, "without": 0, "ids": 3, "patients": 3},
        {"cohort": "hospital", "rule": "normalise", "rows": 29, "without": 1, "ids": 21, "patients": 19},
    ],
    "read_as": [],
}


def intake_results(folder, cases, slices, duplicates):
    """What intake leaves, its two tables made by intake's own functions."""
    counted = counts_of_cohorts(cases, duplicates)
    predictability = predictability_of_cohorts({"hospital": cases["hospital"]}, POSITIVE)
    return IntakeResults(folder, RUN, cases, slices, duplicates, counted, predictability)


@pytest.fixture
def results(tmp_path):
    made_cohort(tmp_path, "nsclc", patients=3, png=False)
    made_cohort(tmp_path, "hospital", patients=30, slices=1, size=32)
    names = [cohort["name"] for cohort in RUN["cohorts"]]
    folder = tmp_path / "cohorts"
    cases = {name: read_table(folder / name / "cases.tsv", "cases") for name in names}
    slices = {name: read_table(folder / name / "slices.tsv", "slices") for name in names}
    cases["nsclc"]["label"] = ""
    return intake_results(tmp_path, cases, slices, pd.DataFrame(columns=columns_of("duplicates")))


def stated(results):
    return [(statement.tone, statement.text) for statement in statements(results)]


def test_a_plain_cohort_has_nothing_to_warn_of(results):
    assert stated(results) == [
        ("plain", "nsclc: 3 of 3 cases taken in."),
        ("plain", "hospital: 30 of 30 cases taken in."),
        ("good", "No slice has an exact or near duplicate in another patient or under another label."),
    ]


def test_losses_twins_and_what_tells_the_label_are_stated(results):
    cases = results.cases["hospital"]
    cases.loc[0, ["status", "reason", "n_slices"]] = ["rejected", "<script>alert(1)</script>", 0]
    cases.loc[1, ["status", "reason", "n_slices"]] = ["skipped", "left out by the table's column skip", 0]
    cases["source"] = np.where(cases["label"] == POSITIVE, "north", "south")
    cases["kvp"] = np.where(np.arange(30) < 20, 120, np.where(cases["label"] == POSITIVE, 100, 140))
    names = results.slices["hospital"]["slice"]
    near_duplicates = pd.DataFrame(
        {"slice": names[[4, 5]], "cohort": "hospital", "patient": "x", "kind": ["exact", "near"]}
    )
    results = intake_results(
        results.folder, results.cases, results.slices, near_duplicates.assign(group=names[4], distance=[0, 4])
    )
    sentences = stated(results)
    assert ("warn", "hospital: 28 of 30 cases taken in, 1 rejected, 1 skipped.") in sentences
    assert ("bad", "hospital: source decides the label (1.00; chance is 0.50).") in sentences
    assert any(tone == "bad" and text.startswith("1 group of duplicates hold both labels") for tone, text in sentences)
    assert any(
        "2 slices (1 exact, 1 near) have a duplicate in another patient or under another label" in text
        for _, text in sentences
    )
    page = render_intake(results)
    assert "&lt;script&gt;alert&lt;/script&gt;" in page and "<script>alert" not in page
    assert "<b>title" not in page


def test_the_page_is_one_file_without_paths_or_requests(results):
    page = render_intake(results)
    assert str(results.folder) not in page
    addresses = set(re.findall(r"https?://[^\s\"'<>]+", page))
    assert all("w3.org" in address or "matplotlib" in address for address in addresses)
    assert page.count("<img") == 3 + SHOWN_ON_SHEET
    for heading in ("Label predictability", "Contact sheet", "Source × label"):
        assert heading in page


def test_the_contact_sheet_shows_middle_slices_over_the_whole_table(results):
    sheet = contact_sheet(results, "hospital")
    rows = [int(picture.caption.split("row ")[1]) for picture in sheet]
    assert len(rows) == SHOWN_ON_SHEET and rows[0] == 1 and rows[-1] == 30 and rows == sorted(set(rows))
    assert [picture.caption for picture in contact_sheet(results, "nsclc")] == ["row 1", "row 2", "row 3"]


def test_an_empty_cohort_has_a_page(results):
    cases = results.cases["hospital"].assign(status="rejected", reason="no CT slice", n_slices=0)
    slices = results.slices["hospital"].iloc[:0]
    empty = intake_results(
        *(results.folder, results.cases | {"hospital": cases}, results.slices | {"hospital": slices}),
        results.duplicates,
    )
    assert "hospital: 0 of 30 cases taken in, 30 rejected." in render_intake(empty)


def test_the_page_says_how_patient_ids_were_read(results):
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in ids_table(results.run).rows}
    assert rows["nsclc"] == ["3", "0", "3", "3", "0", "no two ids are alike"]
    assert rows["hospital"] == ["29", "1", "21", "19", "2", "normalise: alike is one patient"]
    assert "How patient ids were read" in render_intake(results)


def test_columns_that_are_read_under_another_name_are_stated(results):
    read = [{"cohort": "hospital", "column": "age (years)", "meaning": "age"}]
    said = stated(replace(results, run={**results.run, "read_as": read}))
    assert ("plain", "hospital: the table's column “age (years)” was read as age.") in said


def test_up_to_twenty_classes_have_a_colour_each():
    assert class_colours(2) == [BLUE, ORANGE]
    assert len({*class_colours(20)}) == 20
    of_ten = np.array([to_rgb(colour) for colour in class_colours(10)])
    apart = [np.linalg.norm(of_ten[:k] - of_ten[k], axis=1).min() for k in range(6, 10)]
    assert min(apart) > 0.3, "two blues that are closer would be taken for one"


def test_an_aspect_that_tells_one_class_of_several_names_it():
    row = {"cohort": "c", "aspect": "source", "patients": 9, "balanced_accuracy": 1.0}
    (named,), (unnamed,) = (about_predictability(pd.DataFrame([row | more])) for more in ({"class": "CAP"}, {}))
    assert named.text == "c: source decides which cases are CAP (1.00; chance is 0.50)."
    assert unnamed.text == "c: source decides the label (1.00; chance is 0.50)."


def test_what_the_making_tells_is_on_the_page_and_the_page_stays_small(results):
    traces = results.slices["hospital"][["slice", "patient", "label"]]
    made = made_traces(30, planted={"blockiness": 1.0}).drop(columns=["slice", "patient", "label"])
    forensics = pd.DataFrame(answer_rows("hospital", blockiness=0.97))
    shown = replace(results, traces={"hospital": pd.concat([traces, made], axis=1)}, forensics=forensics)
    assert (
        "bad",
        "hospital: how the images were made tells the label, without a lung: JPEG blockiness (AUC 0.97) alone.",
    ) in stated(shown)
    page = render_intake(shown)
    assert "hospital: what tells the label" in page and "lowest" in page and len(page) < 1_000_000
    assert page.count("<img") == 3 + SHOWN_ON_SHEET + 8
    assert 'id="forensics"' not in render_intake(results)
