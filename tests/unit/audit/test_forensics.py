"""report/forensics.tsv: which trace tells the label, and the cohort, by patient."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.forensics_planted import MATRIX, PLANTS, study
from lungsight.audit.forensics import ALL, MAKING, forensics_table, traces_of_patients
from lungsight.audit.trace_classifier import answer_of
from lungsight.intake.forensics.traces import TRACES, WORD
from lungsight.tables import check_table
from tests.factories.forensics import made_traces
from tests.factories.tables import disc


def significant(table, tells="label"):
    rows = table[(table["tells"] == tells) & (table["p_holm"] < 0.05)]
    return set(rows["trace"])


def answer(table, trace, tells="label"):
    return table[(table["tells"] == tells) & (table["trace"] == trace)].iloc[0]


def test_a_planted_trace_is_named_and_no_other():
    table = forensics_table({"a": made_traces(planted={"jpeg_quality": 1.0})}, 1, 999)
    check_table(table, "report_forensics", "here")
    assert list(table["trace"]) == [*(trace.name for trace in TRACES), MAKING, ALL]
    assert significant(table) == {"jpeg_quality", MAKING, ALL}
    assert answer(table, "jpeg_quality")["auc"] == 1
    assert answer(table, "jpeg_quality")["p_holm"] < 0.05 < answer(table, "noise_air")["p_holm"]


def test_nothing_is_named_where_nothing_is_planted():
    assert significant(forensics_table({"a": made_traces(planted={})}, 1, 999)) == set()


def test_anatomy_counts_in_all_and_not_in_the_making():
    table = forensics_table({"a": made_traces(planted={"field_of_view": 1.0})}, 1, 999)
    assert significant(table) == {"field_of_view", ALL}


def test_a_word_tells_as_well_and_a_patient_counts_once():
    traces = made_traces(planted={"format": 1.0}, slices=4)
    table = forensics_table({"a": traces}, 1, 999)
    assert "format" in significant(table)
    assert answer(table, "format")["patients"] == traces["patient"].nunique()


def test_cohorts_are_told_apart():
    first, second = made_traces(seed=1), made_traces(seed=2)
    second["blockiness"] += 2
    table = forensics_table({"public": first, "target": second}, 1, 199)
    assert list(table["cohort"].unique()) == ["public", "target", "public vs target"]
    assert answer(table, "blockiness", "cohort")["auc"] > 0.95
    assert answer(table, "blockiness", "cohort")["patients"] == 120
    assert not np.isfinite(answer(table, "transfer_syntax", "cohort")["p"]), "empty in both"


def test_cohorts_with_unknown_patients_are_marked_also_beside_another():
    traces = {"open": made_traces(), "clinic": made_traces(seed=2)}
    table = forensics_table(traces, 1, 19, unknown=["open"])
    known = dict(zip(table["cohort"], table["patients_known"], strict=True))
    assert known == {"open": 0, "clinic": 1, "open vs clinic": 0}
    check_table(table, "report_forensics", "here")


def test_chance_is_what_labels_without_a_meaning_give():
    """Pooled folds put the AUC of noise below 0.5, and chance lies there as well."""
    rng, nobody = np.random.default_rng(1), np.arange(40)
    found = [answer_of([rng.integers(0, 4, 40)], rng.permutation(nobody % 2), nobody, seed, 99) for seed in range(200)]
    auc, chance = np.mean([(each.auc, each.chance) for each in found], axis=0)
    assert chance < 0.48 and auc == pytest.approx(chance, abs=0.015)
    assert np.isnan(answer_of([nobody % 4], nobody % 2, nobody, 1, 0).chance)


def test_three_classes():
    traces = made_traces(labels=("Covid-19", "Pneumonia", "Normal"), planted={"jpeg_quality": 1.0})
    row = answer(forensics_table({"a": traces}, 1, 999), "jpeg_quality")
    assert row["classes"] == 3 and row["p_holm"] < 0.05 and row["balanced_accuracy"] > 0.6


def test_too_few_patients_give_rows_without_numbers():
    table = forensics_table({"a": made_traces(patients=4)}, 1, 19)
    check_table(table, "report_forensics", "here")
    assert table["auc"].isna().all() and table["p_holm"].isna().all() and set(table["patients"]) == {4}


def test_a_patients_traces_are_the_median_and_the_most_frequent_word():
    traces = made_traces(patients=1, slices=3)
    traces["format"], traces["blockiness"] = ["png", "jpeg", "jpeg"], [1.0, np.nan, 4.0]
    (row,) = traces_of_patients(traces, "label").to_dict("records")
    assert (row["format"], row["blockiness"]) == ("jpeg", 2.5)
    traces["format"], traces["blockiness"] = "", np.nan
    (row,) = traces_of_patients(traces, "label").to_dict("records")
    assert row["format"] == "" and np.isnan(row["blockiness"])
    words = [trace.name for trace in TRACES if trace.kind == WORD]
    assert traces_of_patients(traces, "label")[words].notna().all(axis=None)


def test_the_order_of_rows_and_pseudonyms_play_no_part_in_who_is_told():
    traces = made_traces(planted={"jpeg_quality": 1.0})
    renamed = traces.assign(patient="x" + traces["patient"])
    pd.testing.assert_frame_equal(forensics_table({"a": traces}, 1, 49), forensics_table({"a": renamed}, 1, 49))


@pytest.mark.parametrize("strength", [0.6, 0.9])
def test_a_trace_that_agrees_with_most_labels_has_their_share(strength):
    table = forensics_table({"a": made_traces(planted={"format": strength}, patients=400)}, 1, 99)
    assert answer(table, "format")["balanced_accuracy"] == pytest.approx((1 + strength) / 2, abs=0.05)


def made_bodies(count):
    """Chests of different size in HU, without noise."""
    bodies = []
    for share in np.linspace(0.34, 0.42, count):
        body = np.where(disc(MATRIX, 0.5, 0.5, share, share + 0.06), 40.0, -1000.0)
        body[disc(MATRIX, 0.5, 0.33, 0.24, 0.12) | disc(MATRIX, 0.5, 0.67, 0.24, 0.12)] = -850
        bodies.append(body)
    return bodies


@pytest.mark.parametrize("kind", PLANTS)
def test_a_trace_that_is_planted_in_pictures_is_found_and_named(kind):
    """benchmarks/forensics_planted.py does this for weaker traces, with phantoms."""
    plant, traces = PLANTS[kind]
    rows = study(made_bodies(24), plant, 1.0, 1, 999).set_index("trace")
    assert (rows.loc[list(traces), "p_holm"] < 0.05).any()
    assert rows.loc[list(traces), "auc"].max() == rows["auc"].drop([MAKING, ALL]).max() == pytest.approx(1)
