"""Paired differences of metrics, their p-values and Holm's correction, against plain loops and the procedure itself."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as peer

from lungsight.evaluation.intervals import draw_patients
from lungsight.evaluation.performance_differences import (
    Model,
    difference_table,
    holm,
    model_pairs,
    p_value,
    paired_rows,
    shared_rows,
)
from lungsight.tables import check_table
from lungsight.training.pipelines import TARGET_ONLY, Pipeline
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import POSITIVE


def named(name: str, stage: str = "1") -> Model:
    return Model(Pipeline.parse(name), stage)


def test_pairs_differ_in_one_thing() -> None:
    names = ["whole-a-scratch", "whole-a-imagenet", "whole-b-scratch", "segmented-a-scratch", "segmented-b-imagenet"]
    models = [named(name, stage) for name in names for stage in ("1", "2", TARGET_ONLY)]
    pairs = [(pair.comparison, *(f"{m.pipeline.name}/{m.stage}" for m in pair[1:])) for pair in model_pairs(models)]
    first = [row for row in pairs if row[1] == "whole-a-scratch/1"]
    assert first == [
        ("adaptation", "whole-a-scratch/1", "whole-a-scratch/2"),
        ("weights", "whole-a-scratch/1", "whole-a-imagenet/1"),
        ("backbone", "whole-a-scratch/1", "whole-b-scratch/1"),
        ("framework", "whole-a-scratch/1", "segmented-a-scratch/1"),
    ]
    assert ("stage 1 first", "whole-a-scratch/2-target-only", "whole-a-scratch/2") in pairs
    assert ("weights", "whole-a-scratch/2-target-only", "whole-a-imagenet/2-target-only") in pairs
    assert not [
        row
        for row in pairs
        if "segmented-b-imagenet" in row[1] + row[2] and row[0] not in ("adaptation", "stage 1 first")
    ]
    reversed_order = {(pair.comparison, pair.first.stage) for pair in model_pairs(models[::-1])}
    assert {stage for comparison, stage in reversed_order if comparison == "adaptation"} == {"1"}


def test_a_pair_with_a_published_model_is_a_comparison_of_systems() -> None:
    """A published model may differ from a backbone in more than the network."""
    names = ["whole-resnet50-imagenet", "whole-pathak2020-imagenet", "whole-resnet50-scratch", "whole-li2021-imagenet"]
    pairs = [(pair.comparison, pair.second.pipeline.architecture) for pair in model_pairs(map(named, names))]
    assert pairs == [("system", "pathak2020"), ("weights", "resnet50"), ("system", "li2021"), ("system", "li2021")]


@pytest.mark.parametrize("unit", ["slice", "patient"])
def test_a_paired_difference_equals_patients_drawn_one_by_one(unit: str) -> None:
    weak, strong = made_prediction_table(0.3, seed=1), made_prediction_table(2.0, seed=2).sample(frac=1, random_state=3)
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


def test_only_rows_of_both_models_count() -> None:
    first = made_prediction_table(1.0)
    second = first.drop(index=first.index[first["split"] == "test"][:3]).assign(probability=0.5)
    shared = shared_rows(first, second, "slice")
    assert len(shared[0]) == len(shared[1]) == (first["split"] == "test").sum() - 3
    assert (shared[0]["slice"] == shared[1]["slice"]).all()
    assert set(shared[1]["probability"]) == {0.5}
    assert paired_rows(first, second.assign(split="val"), "slice", POSITIVE, 10, 1) == []


def test_the_p_value_keeps_its_level_and_agrees_with_a_z_test() -> None:
    """Normal resampled differences give the normal p-value; equal models give 1."""
    rng = np.random.default_rng(0)
    for centre in (0.5, 1.5, 2.5):
        expected = 2 * stats.norm.sf(centre)
        assert p_value(rng.normal(centre, 1, 40000)) == pytest.approx(expected, abs=0.01)
    assert p_value(np.zeros(100)) == 1.0
    assert p_value(np.full(99, 0.3)) == pytest.approx(2 / 100)
    assert np.isnan(p_value(np.full(5, np.nan)))


def test_holm_rejects_as_the_step_down_procedure_does() -> None:
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
        (model, cohort): made_prediction_table(number / 2, seed=number)
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
