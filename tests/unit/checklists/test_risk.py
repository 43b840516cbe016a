"""The risk of bias: each rule on tables that break it, and the judgement of a domain."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.forensics import LABEL, MAKING
from lungsight.checklists.evidence import Evidence
from lungsight.checklists.facts import FACTS
from lungsight.checklists.risk import DOMAINS, MEASURES, Rule, judged, read_rules, risk_rows
from lungsight.report import forensics
from lungsight.report.cautions import CONFOUNDED_RATIO
from lungsight.report.intake_page import DECIDES, PREDICTS
from tests.factories.results import changed


def judgements(evidence: Evidence) -> dict[str, str]:
    return {row["rule"]: row["judgement"] for row in risk_rows(evidence) if row["rule"]}


def domains(evidence: Evidence) -> dict[str, str]:
    return {row["domain"]: row["judgement"] for row in risk_rows(evidence) if not row["rule"]}


def test_every_rule_has_a_measure_and_every_measure_a_rule() -> None:
    rules = read_rules()
    assert [rule.measure for rule in rules] == list(MEASURES)
    assert len({rule.rule for rule in rules}) == len(rules)
    assert list(dict.fromkeys(rule.domain for rule in rules)) == list(DOMAINS)


def test_limits_that_other_pages_have_are_the_same() -> None:
    rules = {rule.rule: rule for rule in read_rules()}
    assert rules["slices per patient"].high_from == CONFOUNDED_RATIO
    of_intake = rules["label predictability"]
    assert (of_intake.unclear_from, of_intake.high_from) == (PREDICTS, DECIDES)
    of_making = rules["traces of making"]
    assert (of_making.unclear_from, of_making.high_from) == (forensics.TELLS, forensics.DECIDES)


@pytest.mark.parametrize(
    ("p", "known", "judgement"), [(0.01, 1, "high"), (0.2, 1, "low"), (0.01, 0, "unclear"), (0.2, 0, "low")]
)
def test_traces_of_making_count_where_they_differ_from_chance(
    evidence: Evidence, p: float, known: int, judgement: str
) -> None:
    row = {"cohort": "clinic", "trace": MAKING, "tells": LABEL, "auc": 0.97, "p_holm": p, "patients": 24}
    row |= {"patients_known": known}
    results = changed(evidence.results, forensics=pd.DataFrame([row, row | {"trace": "bits", "auc": 1.0}]))
    assert judgements(replace(evidence, results=results))["traces of making"] == judgement


@pytest.mark.parametrize(("value", "judgement"), [(0.9, "low"), (1, "unclear"), (1.9, "unclear"), (2, "high")])
def test_a_number_is_judged_by_two_limits(value: float, judgement: str) -> None:
    rule = Rule("analysis", "r", "", "", "", "", "", unclear_from=1, high_from=2)
    assert judged(value, rule) == judgement


@pytest.mark.parametrize(
    ("column", "rule", "judgement"),
    [
        ("patients_on_two_sides", "shared patients", "high"),
        ("identical_images_on_two_sides", "shared images", "high"),
        ("near_duplicates_on_two_sides", "near duplicates", "unclear"),
        ("test_images_in_other_cohorts", "images of other cohorts", "high"),
        ("test_slices_of_patients_in_other_cohorts", "patients of other cohorts", "high"),
    ],
)
def test_one_shared_thing_is_found(evidence: Evidence, column: str, rule: str, judgement: str) -> None:
    assert judgements(evidence)[rule] == "low"
    leakage = evidence.results.leakage.copy()
    leakage.loc[1, column] = 1
    row = next(
        row
        for row in risk_rows(replace(evidence, results=changed(evidence.results, leakage=leakage)))
        if row["rule"] == rule
    )
    assert (row["judgement"], row["value"]) == (judgement, 1)
    assert row["where"] == f"{leakage.loc[1, 'cohort']}, whole" and row["note"].startswith("1 ")


def test_unknown_patients_are_high(evidence: Evidence) -> None:
    unknown = changed(evidence.results, leakage=evidence.results.leakage.assign(patients_known=0))
    assert judgements(replace(evidence, results=unknown))["unknown patients"] == "high"


def test_a_source_of_one_class_is_high(evidence: Evidence) -> None:
    slices = evidence.results.slices["clinic"]
    by_class = slices.assign(source=slices["label"].map({"Covid-19": "a", "Non Covid": "b"}))
    results = changed(evidence.results, slices=evidence.results.slices | {"clinic": by_class})
    found = judgements(replace(evidence, results=results))
    assert found["class × source"] == "high" and judgements(evidence)["class × source"] == "low"
    assert domains(replace(evidence, results=results))["images"] == "high"


@pytest.mark.parametrize(("share", "judgement"), [(0.04, "low"), (0.06, "unclear"), (0.12, "high")])
def test_one_class_left_out_more_is_found(evidence: Evidence, share: float, judgement: str) -> None:
    table = evidence.results.selection.copy()
    step = (table["cohort"] == "clinic") & (table["excluded_by"] == "quality control")
    table.loc[step & (table["label"] == "Covid-19"), "excluded"] = share
    table.loc[step, "p_holm"] = 0.0123
    rows = risk_rows(replace(evidence, results=changed(evidence.results, selection=table)))
    row = next(row for row in rows if row["rule"] == "left out by class")
    assert (row["judgement"], row["where"], row["value"]) == (judgement, "clinic, whole", pytest.approx(share))
    shown = f"Covid-19 {100 * share:.0f} %, Non Covid 0 %; p 0.012 (Holm)"
    assert row["note"] == f"left out by quality control: {shown}"


def test_a_difference_that_could_not_be_tested_has_no_p(evidence: Evidence) -> None:
    table = evidence.results.selection.assign(p=np.nan, p_holm=np.nan)
    of_both = replace(evidence, results=changed(evidence.results, selection=table))
    notes = [row["note"] for row in risk_rows(of_both) if row["rule"] == "left out by class"]
    answer = FACTS["selection"](of_both)
    assert notes and answer
    for text in (*notes, answer.text):
        assert "not tested: fewer than two classes have two patients" in text and "p –" not in text


def test_the_width_is_compared_with_the_stated_aim(evidence: Evidence) -> None:
    metrics = evidence.results.metrics.assign(roc_auc_lo=0.7, roc_auc_hi=0.85)
    wide = replace(evidence, results=changed(evidence.results, metrics=metrics))
    assert judgements(replace(wide, study={"interval_width_aim": 0.2}))["wide intervals"] == "low"
    assert judgements(replace(wide, study={"interval_width_aim": 0.15}))["wide intervals"] == "low"
    assert judgements(replace(wide, study={"interval_width_aim": 0.14}))["wide intervals"] == "high"
    assert judgements(replace(wide, study={}))["wide intervals"] == "high"  # 0.1 counts


def test_events_per_variable_by_hand(evidence: Evidence) -> None:
    """Six training patients of each class, 25,000 parameters."""
    row = next(row for row in risk_rows(evidence) if row["rule"] == "events per variable")
    assert row["value"] == pytest.approx(25_000 / 6) and row["judgement"] == "unclear"
    assert "6 training patients" in row["note"] and "0.0002 events" in row["note"]


@pytest.mark.parametrize("text", ["not known", "nobody", "no, they saw everything", "two radiologists"])
def test_what_the_study_file_says_is_quoted_and_never_low(evidence: Evidence, text: str) -> None:
    keys = ("inclusion_criteria", "sampling", "reference_standard", "annotators", "blinding_reference")
    said = replace(evidence, study=dict.fromkeys(keys, text), duplicates=evidence.duplicates.assign(label_conflict=0))
    assert domains(evidence)["reference standard"] == "high"  # a label conflict
    assert domains(said)["participants"] == domains(said)["reference standard"] == "unclear"
    row = next(row for row in risk_rows(said) if row["rule"] == "standard not said")
    assert row["value"] == 0 and f"a person must judge annotators: “{text}”" in row["note"]
    nothing = next(row for row in risk_rows(replace(evidence, study={})) if row["rule"] == "standard not said")
    assert (nothing["judgement"], nothing["value"]) == ("unclear", 3)
    assert nothing["note"] == "not said: reference_standard, annotators, blinding_reference"


def test_a_class_without_a_patient_in_a_subset_is_the_rarest(evidence: Evidence) -> None:
    results = evidence.results
    third = changed(results, run=results.run | {"labels": [*results.run["labels"], "Third"]})
    rows = {row["rule"]: row for row in risk_rows(replace(evidence, results=third)) if row["rule"]}
    assert rows["too few to test"]["value"] == 100 and rows["too few to test"]["judgement"] == "high"
    assert rows["too few to test"]["note"].startswith("0 test patients")
    assert "0 training patients of the rarer class" in rows["events per variable"]["note"]


def test_a_number_that_is_not_known_is_unclear_and_hides_no_high_one(evidence: Evidence) -> None:
    rule = Rule("analysis", "r", "", "", "", "", "", unclear_from=1, high_from=2)
    assert judged(float("nan"), rule) == "unclear"
    metrics = evidence.results.metrics.assign(roc_auc_lo=0.7, roc_auc_hi=0.85)
    wide = replace(
        evidence, results=changed(evidence.results, metrics=metrics), study={"interval_width_aim": float("nan")}
    )
    assert judgements(wide)["wide intervals"] == "unclear"


def test_what_a_run_did_not_make_is_unclear(evidence: Evidence) -> None:
    results = changed(
        evidence.results,
        **{name: pd.DataFrame() for name in ("leakage", "metrics", "verdicts")},
        splits={},
        evaluation={},
        provenance={},
    )
    found = [
        row
        for row in risk_rows(Evidence(results))
        if row["rule"] in ("shared patients", "models compared", "wide intervals")
    ]
    assert {row["judgement"] for row in found} == {"unclear"}
    assert all(row["note"].startswith("not known: ") for row in found)
