"""Counts of what was taken and left out; how far the label can be predictability without looking at a lung."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from lungsight.intake.summary_tables import (
    accuracy_from_numbers,
    accuracy_from_words,
    counts,
    groups_with_two_labels,
    label_predictability,
    normalise_reason,
)
from lungsight.tables import check_table
from tests.factories.tables import NEGATIVE, POSITIVE, made_cohort

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
    assert normalise_reason(reason) == short


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
    near_duplicates = pd.DataFrame(
        {"slice": names, "cohort": "c", "patient": cases["patient"][:4], "kind": ["exact", "exact", "near", "near"]}
        | {"group": [names[0], names[0], names[2], names[2]], "distance": 0}
    )
    table = counts("c", cases, pd.concat([near_duplicates, near_duplicates.assign(cohort="other")])).query(
        "aspect == 'duplicates'"
    )
    assert table[["value", "cases", "slices"]].to_numpy().tolist() == [["exact", 1, 1]] * 2 + [["near", 1, 1]] * 2
    labels = cases.set_index("case")["label"]
    assert groups_with_two_labels(near_duplicates, labels) == 2
    assert groups_with_two_labels(near_duplicates.assign(group=names), labels) == 0


def test_a_value_that_decides_the_label_is_seen_and_chance_is_not():
    positive = np.arange(40) % 2 == 0
    assert accuracy_from_words(np.where(positive, "north", "south"), positive) == 1
    assert accuracy_from_words(np.full(40, "north"), positive) == 0.5
    assert accuracy_from_words(np.arange(40) // 4, positive) == 0.5, "every value in both classes alike"
    assert accuracy_from_words(np.arange(40).astype(str), positive) == 0.5, "values that occur once tell nothing"
    rng = np.random.default_rng(2)
    chance = [accuracy_from_words(rng.choice(list("abcd"), 40), positive) for _ in range(200)]
    assert abs(np.mean(chance) - 0.5) < 0.08
    assert np.isnan(accuracy_from_words(np.array(["a", "b"]), np.array([True, True])))


def test_half_of_the_positives_from_a_source_of_their_own():
    positive = np.arange(40) < 20
    values = np.where(np.arange(40) < 10, "own", "shared")
    # the shared source holds all negatives and half of the positives: it says negative, which is wrong for 10 of 20
    assert accuracy_from_words(values, positive) == pytest.approx((10 / 20 + 1) / 2)


def test_numbers_are_judged_by_the_roc_curve_either_way_round():
    rng = np.random.default_rng(4)
    positive = rng.random(60) < 0.4
    values = rng.integers(0, 9, 60) - 2.0 * positive
    area = roc_auc_score(positive, values)
    assert accuracy_from_numbers(values, positive) == pytest.approx(max(area, 1 - area))
    assert accuracy_from_numbers(-values, positive) == pytest.approx(max(area, 1 - area))
    assert np.isnan(accuracy_from_numbers(values, np.ones(60, bool)))


def test_the_number_of_slices_of_a_patient_counts(tmp_path):
    cases = cases_of(tmp_path, patients=12)
    cases["n_slices"] = np.where(cases["label"] == POSITIVE, 16, 1)
    predictability = label_predictability("c", cases, POSITIVE)
    check_table(predictability, "intake_labels", "intake_labels")
    predictability = predictability.set_index("aspect")
    assert predictability.loc["slices of a patient", "balanced_accuracy"] == 1
    assert predictability.loc["source", "balanced_accuracy"] == 0.5 and predictability.loc["source", "patients"] == 12
    assert "kernel" not in predictability.index, "what no case knows is not judged"
