"""Patient-level answers, thresholds, paired comparisons, reliability and subgroups, against peers and plain loops."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as peer
from sklearn.calibration import calibration_curve

from lungsight.evaluation.aggregation import (
    AGGREGATIONS,
    best_parameter,
    best_threshold,
    evaluate_aggregations,
    fit_aggregations,
)
from lungsight.evaluation.intervals import draw_patients
from lungsight.evaluation.metrics import ECE_BINS, metrics_row
from lungsight.evaluation.performance_differences import (
    TARGET_ONLY,
    Model,
    difference_table,
    holm,
    model_pairs,
    p_value,
    paired_rows,
    shared_rows,
)
from lungsight.evaluation.reliability import reliability_rows
from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.tables import check_table
from lungsight.training.pipelines import Pipeline
from tests.factories.tables import NEGATIVE, POSITIVE


def predictions(skill: float, patients: int = 24, slices: int = 5, seed: int = 0) -> pd.DataFrame:
    """Slices of patients, every third one held for validation and the rest for test; classes alternate."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(patients), slices)
    positive = number % 2 == 0
    logit = skill * np.where(positive, 0.5, -0.5) + rng.normal(size=patients)[number] + rng.normal(size=len(number))
    return pd.DataFrame(
        {
            "slice": [f"{n:016x}-{k:04d}" for n in range(patients) for k in range(slices)],
            "patient": [f"{n:016x}" for n in number],
            "label": np.where(positive, POSITIVE, NEGATIVE),
            "split": np.where((number // 2) % 3 == 0, "val", "test"),
            "probability": 1 / (1 + np.exp(-logit)),
        }
    )


def test_patients_scores_are_what_a_loop_gives() -> None:
    table = predictions(1.0).sample(frac=1, random_state=1)  # rows of patients interleaved
    expected = {
        ("mean", None): lambda p: p.mean(),
        ("top_k", 3): lambda p: np.sort(p)[-3:].mean(),
        ("top_k", 10): lambda p: p.mean(),
        ("fraction", 0.4): lambda p: (p >= 0.4).mean(),
    }
    for (name, parameter), score in expected.items():
        found = AGGREGATIONS[name].score(table, parameter).set_index("patient")["probability"]
        by_loop = {patient: score(part["probability"].to_numpy()) for patient, part in table.groupby("patient")}
        assert found.to_dict() == pytest.approx(by_loop)


def test_equal_probabilities_are_not_counted_twice_by_top_k() -> None:
    table = pd.DataFrame({"patient": ["a"] * 4, "label": [POSITIVE] * 4, "probability": [0.5, 0.5, 0.5, 0.1]})
    assert AGGREGATIONS["top_k"].score(table, 2)["probability"].tolist() == [0.5]


def test_the_parameter_is_the_one_with_the_best_validation_auc_and_test_rows_do_not_count() -> None:
    """Positive patients have one lesion slice among many clear ones: the highest slice tells, the mean does not."""
    rng = np.random.default_rng(0)
    rows = [
        {"patient": f"{n:016x}", "label": POSITIVE if n % 2 else NEGATIVE, "probability": value, "split": "val"}
        for n in range(20)
        for value in np.r_[rng.uniform(0, 0.5, 6), 0.9 if n % 2 else 0.55]
    ]
    validation = pd.DataFrame(rows)
    aucs = {}
    for k in AGGREGATIONS["top_k"].parameters:
        scores = AGGREGATIONS["top_k"].score(validation, k)
        aucs[k] = peer.roc_auc_score(scores["label"] == POSITIVE, scores["probability"])
    chosen = best_parameter("top_k", validation, POSITIVE)
    assert aucs[chosen] == max(aucs.values()) > aucs[10]
    swapped = validation.assign(split="test", label=np.where(validation["label"] == POSITIVE, NEGATIVE, POSITIVE))
    both = fit_aggregations(pd.concat([validation, swapped], ignore_index=True), POSITIVE)
    assert both == fit_aggregations(validation, POSITIVE)


@pytest.mark.parametrize("seed", range(4))
def test_the_threshold_has_the_highest_youden_index_of_scikit_learns_roc(seed: int) -> None:
    table = predictions(1.0, seed=seed).round({"probability": 2})
    truth = table["label"] == POSITIVE
    fpr, tpr, _ = peer.roc_curve(truth, table["probability"], drop_intermediate=False)
    threshold = best_threshold(table, POSITIVE)
    called = table["probability"] >= threshold
    assert called[truth].mean() - called[~truth].mean() == pytest.approx((tpr - fpr).max())
    assert threshold not in set(table["probability"])  # halfway between two scores


def test_of_equal_thresholds_the_one_nearest_to_a_half_is_taken_and_one_class_has_none() -> None:
    table = pd.DataFrame({"label": [NEGATIVE, POSITIVE], "probability": [0.2, 0.6]})
    assert best_threshold(table, POSITIVE) == pytest.approx(0.4)
    # At 0.2 and at 0.6 the index is ½.
    two = pd.DataFrame({"label": [NEGATIVE, POSITIVE] * 2, "probability": [0.1, 0.3, 0.5, 0.7]})
    assert best_threshold(two, POSITIVE) == pytest.approx(0.6)
    assert best_threshold(table[table["label"] == POSITIVE], POSITIVE) is None
    assert best_threshold(table.head(0), POSITIVE) is None


def test_evaluated_rows_use_what_validation_chose() -> None:
    table = predictions(1.5)
    fitted = fit_aggregations(table, POSITIVE)
    rows = evaluate_aggregations(table, fitted, POSITIVE, resamples=40, seed=1)
    assert [(row["aggregation"], row["threshold_from"]) for row in rows] == [
        (name, source) for name in ("slice", "mean", "top_k", "fraction") for source in ("fixed", "validation")
    ]
    test = table[table["split"] == "test"]
    scores = fitted[2].scores(test)
    expected = metrics_row(scores, POSITIVE, 40, 1, fitted[2].threshold)
    assert rows[5]["parameter"] == fitted[2].parameter
    assert {name: rows[5][name] for name in ("threshold", "accuracy", "recall_lo", "roc_auc")} == {
        name: expected[name] for name in ("threshold", "accuracy", "recall_lo", "roc_auc")
    }
    called = scores["probability"] >= fitted[2].threshold
    assert rows[5]["accuracy"] == pytest.approx(peer.accuracy_score(scores["label"] == POSITIVE, called))
    one_class = table[(table["split"] == "test") | (table["label"] == POSITIVE)]
    rows = evaluate_aggregations(one_class, fit_aggregations(one_class, POSITIVE), POSITIVE, 0, 1)
    assert {row["threshold_from"] for row in rows} == {"fixed"}


def named(name: str, stage: str = "1") -> Model:
    return Model(Pipeline.parse(name), stage)


def test_pairs_differ_in_one_thing() -> None:
    names = ["whole-a-scratch", "whole-a-imagenet", "whole-b-scratch", "segmented-a-scratch", "segmented-b-imagenet"]
    models = [named(name, stage) for name in names for stage in ("1", "2", TARGET_ONLY)]
    found = [(pair.comparison, *(f"{m.pipeline.name}/{m.stage}" for m in pair[1:])) for pair in model_pairs(models)]
    first = [row for row in found if row[1] == "whole-a-scratch/1"]
    assert first == [
        ("adaptation", "whole-a-scratch/1", "whole-a-scratch/2"),
        ("weights", "whole-a-scratch/1", "whole-a-imagenet/1"),
        ("backbone", "whole-a-scratch/1", "whole-b-scratch/1"),
        ("framework", "whole-a-scratch/1", "segmented-a-scratch/1"),
    ]
    assert ("stage 1 first", "whole-a-scratch/2-target-only", "whole-a-scratch/2") in found
    assert ("weights", "whole-a-scratch/2-target-only", "whole-a-imagenet/2-target-only") in found
    assert not [
        row
        for row in found
        if "segmented-b-imagenet" in row[1] + row[2] and row[0] not in ("adaptation", "stage 1 first")
    ]
    reversed_order = {(pair.comparison, pair.first.stage) for pair in model_pairs(models[::-1])}
    assert {stage for comparison, stage in reversed_order if comparison == "adaptation"} == {"1"}


def test_a_pair_with_a_published_system_is_called_so() -> None:
    """It may differ in more than the backbone."""
    names = ["whole-resnet50-imagenet", "whole-pathak2020-imagenet", "whole-resnet50-scratch", "whole-li2021-imagenet"]
    found = [(pair.comparison, pair.second.pipeline.architecture) for pair in model_pairs(map(named, names))]
    assert found == [("system", "pathak2020"), ("weights", "resnet50"), ("system", "li2021"), ("system", "li2021")]


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_a_paired_difference_is_that_of_patients_drawn_one_by_one(unit: str) -> None:
    weak, strong = predictions(0.3, seed=1), predictions(2.0, seed=2).sample(frac=1, random_state=3)
    rows = {row["metric"]: row for row in paired_rows(weak, strong, unit, POSITIVE, resamples=50, seed=7)}
    tables = [
        part[part["split"] == "test"] for part in (weak, strong.set_index("slice").loc[weak["slice"]].reset_index())
    ]
    if unit == "patient":
        tables = [
            part.groupby(["patient", "label"], sort=False, as_index=False)["probability"].mean() for part in tables
        ]
    patients = list(dict.fromkeys(tables[0]["patient"]))
    drawn = []
    for counts in draw_patients(len(patients), 50, seed=7):
        chosen = np.repeat(patients, counts)
        values = []
        for part in tables:
            part = pd.concat([part[part["patient"] == name] for name in chosen])
            values.append(peer.roc_auc_score(part["label"] == POSITIVE, part["probability"]))
        drawn.append(values[1] - values[0])
    row = rows["roc_auc"]
    values = [peer.roc_auc_score(part["label"] == POSITIVE, part["probability"]) for part in tables]
    assert (row["first"], row["second"]) == pytest.approx(values)
    assert row["difference"] == pytest.approx(values[1] - values[0])
    ends = [row["difference_lo"], row["difference_hi"]]
    np.testing.assert_allclose(ends, np.quantile(drawn, [0.025, 0.975]), atol=1e-12)
    assert row["p"] == pytest.approx(2 * (1 + min(np.sum(np.array(drawn) <= 0), np.sum(np.array(drawn) >= 0))) / 51)
    assert row["n_patients"] == len(patients)


def test_rows_that_only_one_model_has_do_not_count() -> None:
    first = predictions(1.0)
    second = first.drop(index=first.index[first["split"] == "test"][:3]).assign(probability=0.5)
    shared = shared_rows(first, second, "slice")
    assert len(shared[0]) == len(shared[1]) == (first["split"] == "test").sum() - 3
    assert (shared[0]["slice"] == shared[1]["slice"]).all()
    assert set(shared[1]["probability"]) == {0.5}
    assert paired_rows(first, second.assign(split="val"), "slice", POSITIVE, 10, 1) == []


def test_the_p_value_keeps_its_level_and_agrees_with_a_z_test() -> None:
    """Resampled differences that are normal: the p-value is the normal one; equal models get 1."""
    rng = np.random.default_rng(0)
    for centre in (0.5, 1.5, 2.5):
        expected = 2 * stats.norm.sf(centre)
        assert p_value(rng.normal(centre, 1, 40000)) == pytest.approx(expected, abs=0.01)
    assert p_value(np.zeros(100)) == 1.0
    assert p_value(np.full(99, 0.3)) == pytest.approx(2 / 100)
    assert np.isnan(p_value(np.full(5, np.nan)))


def test_holm_rejects_what_the_step_down_procedure_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        p = rng.beta(0.3, 2, size=7)
        adjusted = holm(p)
        for level in (0.01, 0.05, 0.2):
            rejected = np.zeros(7, bool)
            for step, index in enumerate(np.argsort(p)):
                if p[index] > level / (7 - step):
                    break
                rejected[index] = True
            assert ((adjusted <= level) == rejected).all()
    np.testing.assert_allclose(holm(np.array([0.01, np.nan, 0.04, 0.03])), [0.03, np.nan, 0.06, 0.06])


def test_the_table_corrects_within_one_comparison_cohort_unit_and_metric() -> None:
    models = [named(f"{framework}-{backbone}-scratch") for framework in ("whole", "segmented") for backbone in "abc"]
    tables = {
        (model, cohort): predictions(number / 2, seed=number)
        for number, model in enumerate(models)
        for cohort in ("open", "clinic")
    }
    table = difference_table(tables, POSITIVE, resamples=60, seed=1)
    check_table(table, "differences", "differences")
    assert table["comparison"].value_counts().to_dict() == {"backbone": 6 * 2 * 2 * 4, "framework": 3 * 2 * 2 * 4}
    family = table.query("comparison == 'framework' and cohort == 'open' and unit == 'slice' and metric == 'roc_auc'")
    np.testing.assert_allclose(family["p_holm"], holm(family["p"].to_numpy()))
    without = difference_table(tables, POSITIVE, resamples=0, seed=1)
    check_table(without, "differences", "differences")
    assert without["p_holm"].isna().all() and without["difference"].notna().all()
    alone = difference_table(dict(list(tables.items())[:2]), POSITIVE, resamples=60, seed=1)
    check_table(alone, "differences", "differences")
    assert alone.empty


def test_reliability_is_scikit_learns() -> None:
    table = predictions(2.0)
    test = table[table["split"] == "test"]
    share, mean = calibration_curve(test["label"] == POSITIVE, test["probability"], n_bins=ECE_BINS)
    rows = reliability_rows(table, POSITIVE)
    np.testing.assert_allclose([row["share_positive"] for row in rows], share)
    np.testing.assert_allclose([row["mean_probability"] for row in rows], mean)
    assert sum(row["n"] for row in rows) == len(test)
    assert reliability_rows(table.assign(split="val"), POSITIVE) == []


def test_subgroups_are_the_metrics_of_their_slices_alone() -> None:
    table = predictions(1.0)
    cases = [name.split("-")[0] for name in table["slice"]]
    slices = pd.DataFrame({"slice": table["slice"], "case": cases})
    numbers = np.arange(24)
    facts = pd.DataFrame(
        {
            "case": [f"{n:016x}" for n in numbers],
            "source": "here",
            "contrast": np.where(numbers % 4 < 2, 1.0, np.where(numbers < 12, 0.0, np.nan)),
            "manufacturer": np.where(numbers % 5 == 0, "ge", np.where(numbers % 5 < 3, "siemens", "")),
        }
    )
    groups = groupings_of(slices, facts)
    rows = subgroup_rows(table, groups, POSITIVE, resamples=30, seed=1)
    found = {(row["grouping"], row["value"], row["unit"]): row for row in rows}
    assert {key[:2] for key in found} == {
        *(("scanner", value) for value in ("ge", "siemens", "unknown")),
        *(("contrast", value) for value in ("with", "without", "unknown")),
    }
    siemens = facts.loc[facts["manufacturer"] == "siemens", "case"]
    part = table[(table["split"] == "test") & pd.Series(cases).isin(siemens)]
    expected = metrics_row(part, POSITIVE, 30, 1)
    row = found["scanner", "siemens", "slice"]
    assert [row[name] for name in ("n", "roc_auc", "recall_lo")] == [
        expected[name] for name in ("n", "roc_auc", "recall_lo")
    ]
    assert row["n_patients"] == part["patient"].nunique()
    assert subgroup_rows(table, groups[["source"]], POSITIVE, 30, 1) == []
    # A network's own answer for a patient is of all slices, in whatever group: it says nothing about one of them.
    assert subgroup_rows(table.assign(patient_probability=0.5), groups, POSITIVE, 30, 1) == rows
