"""What the pages say and show of how images were made."""

import numpy as np
import pandas as pd
import pytest

from lungsight.report.cautions import cautions
from lungsight.report.forensics import answers_chart, answers_of_cohorts, answers_table, forensic_findings
from lungsight.report.results import RunResults
from tests.factories.forensics import answer_rows, made_traces
from tests.factories.results import changed


def answers(**auc):
    return pd.DataFrame(answer_rows("clinic", **auc))


def stated(table, *tells):
    return [(statement.tone, statement.text) for statement in forensic_findings(table, *tells)]


def test_a_trace_that_tells_the_label_is_stated():
    assert stated(answers(format=0.75)) == [
        ("warn", "clinic: how the images were made tells the label, without a lung: file format (AUC 0.75) alone.")
    ]


def test_the_strongest_three_and_all_together_are_stated():
    table = answers(format=0.7, blockiness=0.8, marks=0.72, rows=0.68, making=0.97, all=0.99, field_of_view=0.98)
    ((tone, sentence),) = stated(table)
    assert tone == "bad"
    assert sentence.endswith(
        "JPEG blockiness (AUC 0.80), marks outside the body (AUC 0.72) and file format (AUC 0.70) alone;"
        " all of the making together with AUC 0.97."
    )


def test_nothing_is_stated_that_is_weak_uncertain_or_anatomy():
    assert stated(answers()) == []
    assert stated(answers(format=0.6)) == []
    assert stated(answers(field_of_view=0.9, all=0.9)) == []
    assert stated(answers(format=0.9).assign(p_holm=0.06)) == []


def test_what_tells_cohorts_apart_is_a_note():
    table = pd.DataFrame(answer_rows("a vs b", "cohort", grey_levels=0.95))
    assert stated(table) == []
    ((tone, sentence),) = stated(table, "cohort")
    assert tone == "plain" and sentence == (
        "a vs b: how the images were made tells the cohorts apart: grey levels (AUC 0.95) alone."
    )


def test_of_unknown_patients_the_finding_is_milder_and_claims_no_p():
    table = answers(format=0.97).assign(patients_known=0)
    ((tone, sentence),) = stated(table)
    assert tone == "warn" and sentence.endswith(
        "file format (AUC 0.97) alone. The patients are unknown and each image counts as a patient: where a person has"
        " several images, the AUC is too high, and no p is given."
    )
    (part,) = answers_of_cohorts(table, {"clinic": made_traces()}, lambda cohort, name: np.zeros((9, 9), np.uint8))
    assert part.caption.startswith("40 images. The patients are unknown and each image counts as a patient")
    headings = [heading for heading, _ in part.table.headings]
    assert "Images" in headings and not {"p", "p, Holm", "Patients"} & set(headings)
    assert {len(row) for row in part.table.rows} == {len(headings)}
    assert "by image" in part.chart


@pytest.mark.parametrize(("auc", "known", "tone"), [(0.94, 1, "warn"), (0.95, 1, "bad"), (0.99, 0, "warn")])
def test_the_report_is_as_serious_as_the_page_of_intake(results: RunResults, auc: float, known: int, tone: str):
    table = answers(format=auc).assign(patients_known=known)
    (found,) = [s for s in cautions(changed(results, forensics=table)) if "images were made" in s.text]
    assert found.tone == stated(table)[0][0] == tone


def test_the_report_cautions_against_it(results: RunResults):
    assert not any("images were made" in statement.text for statement in cautions(results))
    shown = changed(results, forensics=pd.DataFrame(answer_rows("open", format=0.8)))
    assert [s.text for s in cautions(shown) if "images were made" in s.text] == [
        "open: how the images were made tells the label, without a lung: file format (AUC 0.80) alone."
    ]


def test_the_chart_and_the_table_rank_what_was_tested():
    table = answers(format=0.7, blockiness=0.8)
    table.loc[table["trace"] == "lossy", "p"] = np.nan
    rows = answers_table(table, "x", "X").rows
    assert [rows[0][0].text, rows[1][0].text] == ["JPEG blockiness", "file format"]
    assert len(rows) == len(table) - 1
    assert [cell.text for cell in rows[0][4:6]] == ["0.80", "0.48"], "chance is that of the permutations"
    svg = answers_chart(table)
    assert svg.index("JPEG blockiness") > 0 and ">0.80<" in svg and "lossy history" not in svg
    assert answers_chart(table.assign(p=np.nan)) == ""


def test_examples_come_from_both_ends_and_from_different_patients():
    traces = made_traces(patients=30, slices=2)
    traces["blockiness"] = np.linspace(1, 3, len(traces))
    traces["format"] = np.where(np.arange(len(traces)) < 20, "png", "jpeg")
    shown = []

    def load(cohort, name):
        shown.append((cohort, name))
        return np.zeros((300, 200), np.uint8)

    (part,) = answers_of_cohorts(answers(blockiness=0.9, format=0.8), {"clinic": traces}, load)
    numbers, words = part.examples
    (lowest, low), (highest, high) = numbers.groups
    assert (numbers.title, lowest, highest) == ("JPEG blockiness", "lowest", "highest")
    assert [name for _, name in shown[:4]] == list(traces["slice"][[0, 2, 4, 6]])
    assert [name for _, name in shown[4:8]] == list(traces["slice"][[53, 55, 57, 59]])
    assert (low[0].caption, high[-1].caption) == ("1, Covid-19", "3, Non Covid")
    assert max(low[0].width, low[0].height) == 96
    assert [caption for caption, _ in words.groups] == [
        "jpeg: Covid-19 (10), Non Covid (10)",
        "png: Covid-19 (5), Non Covid (5)",
    ]
    assert {cohort for cohort, _ in shown} == {"clinic"}


def test_no_example_is_shown_of_a_trace_that_is_high_where_somebody_wrote():
    table, traces = answers(marks=0.9, coloured=0.9, blockiness=0.8), made_traces()
    (part,) = answers_of_cohorts(table, {"clinic": traces}, lambda cohort, name: np.zeros((9, 9), np.uint8))
    assert [example.title for example in part.examples] == ["JPEG blockiness"]
