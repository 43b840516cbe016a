"""Counts of what was taken and left out; how far the label can be told without looking at a lung."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungsight.report.intake_tables import (
    counts,
    gist,
    groups_with_two_labels,
    told_by_numbers,
    told_by_words,
    told_labels,
)
from lungsight.tables import check_table
from tests.made import NEGATIVE, POSITIVE, made_cohort

NO_TWINS = pd.DataFrame(columns=["slice", "cohort", "patient", "kind", "group", "distance"])


def cases_of(tmp_path, patients=8):
    made_cohort(tmp_path, "c", patients=patients)
    return pd.read_csv(tmp_path / "cohorts" / "c" / "cases.tsv", sep="\t", keep_default_na=False)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("5 slices, min_slices is 8", "… slices, min_slices is …"),
        ("a slice is missing: 4 mm between slices 3 and 4, 2 mm elsewhere", "a slice is missing"),
        ("PixelSpacing (0028,0030) is missing (file 7)", "PixelSpacing is missing"),
        ("left out 2 × other series (7 slices, 2 mm; 9 slices)", "left out … × other series"),
    ],
)
def test_alike_reasons_have_one_gist(reason, short):
    assert gist(reason) == short


def test_everything_is_counted_by_cohort_and_label(tmp_path):
    cases = cases_of(tmp_path)
    cases.loc[0, ["status", "reason", "n_slices"]] = ["rejected", "2 slices, min_slices is 5", 0]
    cases.loc[1, ["status", "reason", "n_slices"]] = ["rejected", "3 slices, min_slices is 5", 0]
    cases.loc[2, "reason"] = "left out 1 × other series (7 slices; 9 slices); HU jump between slices 1 and 2"
    cases.loc[3, "rows"] = 50
    table = counts("c", cases, NO_TWINS)
    check_table(table, "intake", "intake")
    indexed = table.set_index(["aspect", "value", "label"])
    assert indexed.loc[("status", "ok", POSITIVE), "cases"] == 3
    assert indexed.loc[("status", "rejected", NEGATIVE), ["cases", "patients", "slices"]].tolist() == [1, 1, 0]
    assert indexed.loc[("reason", "… slices, min_slices is …", POSITIVE), "cases"] == 1
    assert indexed.loc[("note", "left out … × other series", POSITIVE), "slices"] == 3
    assert indexed.loc[("note", "HU jump between slices … and …", POSITIVE), "cases"] == 1
    assert indexed.loc[("rows × columns", "50 × 64", NEGATIVE), "cases"] == 1
    assert indexed.loc[("source", "c", NEGATIVE), ["cases", "slices"]].tolist() == [3, 9]
    assert table.loc[table["aspect"] == "status", "cases"].sum() == len(cases)


def test_duplicates_are_counted_by_kind_and_their_groups_by_label(tmp_path):
    cases = cases_of(tmp_path)
    names = [f"{case}-0001" for case in cases["case"][:4]]
    twins = pd.DataFrame(
        {"slice": names, "cohort": "c", "patient": cases["patient"][:4], "kind": ["exact", "exact", "near", "near"]}
        | {"group": [names[0], names[0], names[2], names[2]], "distance": 0}
    )
    table = counts("c", cases, pd.concat([twins, twins.assign(cohort="other")])).query("aspect == 'duplicates'")
    assert table[["value", "cases", "slices"]].to_numpy().tolist() == [["exact", 1, 1]] * 2 + [["near", 1, 1]] * 2
    labels = cases.set_index("case")["label"]
    assert groups_with_two_labels(twins, labels) == 2
    assert groups_with_two_labels(twins.assign(group=names), labels) == 0


def test_a_value_that_decides_the_label_is_seen_and_chance_is_not():
    positive = np.arange(40) % 2 == 0
    assert told_by_words(np.where(positive, "north", "south"), positive) == 1
    assert told_by_words(np.full(40, "north"), positive) == 0.5
    assert told_by_words(np.arange(40) // 4, positive) == 0.5, "every value in both classes alike"
    assert told_by_words(np.arange(40).astype(str), positive) == 0.5, "values that occur once tell nothing"
    rng = np.random.default_rng(2)
    chance = [told_by_words(rng.choice(list("abcd"), 40), positive) for _ in range(200)]
    assert abs(np.mean(chance) - 0.5) < 0.08
    assert np.isnan(told_by_words(np.array(["a", "b"]), np.array([True, True])))


def test_half_of_the_positives_from_a_source_of_their_own():
    positive = np.arange(40) < 20
    values = np.where(np.arange(40) < 10, "own", "shared")
    # the shared source holds all negatives and half of the positives: it says negative, which is wrong for 10 of 20
    assert told_by_words(values, positive) == pytest.approx((10 / 20 + 1) / 2)


def test_numbers_are_judged_by_the_roc_curve_either_way_round():
    rng = np.random.default_rng(4)
    positive = rng.random(60) < 0.4
    values = rng.integers(0, 9, 60) - 2.0 * positive
    area = roc_auc_score(positive, values)
    assert told_by_numbers(values, positive) == pytest.approx(max(area, 1 - area))
    assert told_by_numbers(-values, positive) == pytest.approx(max(area, 1 - area))
    assert np.isnan(told_by_numbers(values, np.ones(60, bool)))


def test_the_number_of_slices_of_a_patient_counts(tmp_path):
    cases = cases_of(tmp_path, patients=12)
    cases["n_slices"] = np.where(cases["label"] == POSITIVE, 16, 1)
    told = told_labels("c", cases, POSITIVE)
    check_table(told, "intake_labels", "intake_labels")
    told = told.set_index("aspect")
    assert told.loc["slices of a patient", "told"] == 1
    assert told.loc["source", "told"] == 0.5 and told.loc["source", "patients"] == 12
    assert "kernel" not in told.index, "what no case knows is not judged"
