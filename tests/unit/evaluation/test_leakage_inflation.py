"""Random labels per patient, the inflation of the AUC, and the config of the experiment."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t
from sklearn.metrics import roc_auc_score

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.evaluation.leakage_inflation.conditions import random_patient_labels, split_of_condition, thinned
from lungsight.evaluation.leakage_inflation.inflation import inflation_of, inflation_rows
from lungsight.evaluation.leakage_inflation.repeats import repeat_rows
from lungsight.evaluation.leakage_inflation.settings import (
    LEAKAGE_CONDITIONS,
    UNITS,
    LeakageCondition,
    check_leakage,
    leakage_cohort,
    leakage_pipelines,
    settings_of_leakage_training,
)
from lungsight.training.settings import settings_of_stage
from tests.factories.tables import NEGATIVE, POSITIVE


def made_slices(patients: int = 24, slices: int = 5) -> pd.DataFrame:
    rows = [
        (f"{p:016x}-{k:04d}", f"{p:016x}", POSITIVE if p % 3 == 0 else NEGATIVE)
        for p in range(patients)
        for k in range(slices)
    ]
    return pd.DataFrame(rows, columns=["slice", "patient", "label"])


@pytest.mark.parametrize("seed", range(4))
def test_random_labels_per_patient_are_independent_of_the_true_ones(seed):
    slices = made_slices()
    labels = random_patient_labels(slices, seed)
    assert (labels.groupby(slices["patient"]).nunique() == 1).all()
    by_patient = slices.assign(drawn=labels).drop_duplicates("patient")
    assert by_patient.groupby(["label", "drawn"]).size().tolist() == [4, 4, 8, 8]
    renamed = slices.assign(patient=slices["patient"].str[::-1])
    assert random_patient_labels(renamed, seed).tolist() == labels.tolist()
    assert random_patient_labels(slices, seed + 100).tolist() != labels.tolist()


@pytest.mark.parametrize("condition", LEAKAGE_CONDITIONS)
def test_every_subset_of_a_condition_has_the_same_share_of_each_label(condition):
    table = split_of_condition(made_slices(), condition, [0.5, 0.25, 0.25], 3)
    counts = table.groupby(["label", "split"]).size().unstack()
    shares = counts.div(counts.sum(axis=1), axis=0)[["train", "val", "test"]]
    assert (abs(shares - [0.5, 0.25, 0.25]) < 0.02).all(axis=None)


def test_a_large_cohort_is_thinned_evenly():
    slices = made_slices(10, 10)
    assert len(thinned(slices, 100)) == 100
    assert thinned(slices, 34)["slice"].tolist() == slices["slice"].tolist()[::3]


def made_predictions(rng, skill: float, hardness: np.ndarray) -> pd.DataFrame:
    """Make predictions of two classes; hardness: a number per patient, added to the logit of each of its slices."""
    slices = made_slices(len(hardness), 4)
    logit = skill * (slices["label"] == POSITIVE) + np.repeat(hardness, 4) + 0.3 * rng.normal(size=len(slices))
    return slices.assign(probability=1 / (1 + np.exp(-logit)))


def test_inflation_is_a_difference_of_aucs():
    """The difference equals scikit-learn's; its interval equals resampling by hand, with one draw for both subsets."""
    rng = np.random.default_rng(0)
    hardness = rng.normal(size=30)
    first, second = made_predictions(rng, 1.2, hardness), made_predictions(rng, 1.0, hardness)
    second = second[second["patient"] >= f"{12:016x}"]

    def auc(table):
        return roc_auc_score(table["label"] == POSITIVE, table["probability"])

    value, low, high = inflation_of(first, second, POSITIVE, 2000, 1)
    assert value == pytest.approx(auc(first) - auc(second), abs=1e-12)
    drawn = []
    for _ in range(400):
        chosen = [f"{p:016x}" for p in rng.integers(0, 30, 30)]
        pieces = [pd.concat([table[table["patient"] == name] for name in chosen]) for table in (first, second)]
        if all(piece["label"].nunique() == 2 for piece in pieces):
            drawn.append(auc(pieces[0]) - auc(pieces[1]))
    np.testing.assert_allclose([low, high], np.quantile(drawn, [0.025, 0.975]), atol=0.03)
    assert np.isnan(inflation_of(first, second, POSITIVE, 0, 1)[1])


def test_a_condition_that_could_not_be_trained_has_an_empty_row():
    rng = np.random.default_rng(0)
    tested = made_predictions(rng, 1.0, rng.normal(size=12)).assign(labels="true", unit="slice")
    rows = pd.DataFrame(inflation_rows(tested, "p", "hospital", POSITIVE, 100, 1))
    assert rows["slices"].tolist() == [48, 0, 0, 0]
    assert rows["inflation"].isna().all() and rows["roc_auc"].notna().tolist() == [True, False, False, False]


def test_repeats_give_the_spread_over_splits_beside_the_interval_over_patients():
    """Five experiments: their inflations and AUCs by scikit-learn, and the interval by hand."""
    rng = np.random.default_rng(3)
    repeats = []
    for _ in range(5):
        parts = [
            made_predictions(rng, skill, rng.normal(size=24)).assign(labels=labels, unit=unit)
            for labels, unit, skill in (("true", "slice", 2.0), ("true", "patient", 1.0), ("shuffled", "slice", 1.0))
        ]
        repeats.append(pd.concat(parts))

    def auc(table, unit):
        of_unit = table[(table["labels"] == "true") & (table["unit"] == unit)]
        return roc_auc_score(of_unit["label"] == POSITIVE, of_unit["probability"])

    rows = pd.DataFrame(repeat_rows(repeats, "p", "hospital", POSITIVE, 200, 1, test_over_train=0.125))
    found = rows.set_index(["labels", "metric"]).loc["true"]
    inflations = [auc(table, "slice") - auc(table, "patient") for table in repeats]
    row = found.loc["inflation"]
    assert row["splits"] == 5 and row["value"] == pytest.approx(inflations[0])
    assert (row["mean"], row["sd"]) == pytest.approx((np.mean(inflations), np.std(inflations, ddof=1)))
    assert (row["min"], row["max"]) == pytest.approx((min(inflations), max(inflations)))
    reach = t.ppf(0.975, 4) * row["sd"] * np.sqrt(1 / 5 + 0.125)
    assert (row["mean_lo"], row["mean_hi"]) == pytest.approx((row["mean"] - reach, row["mean"] + reach))
    own = pd.DataFrame(inflation_rows(repeats[0], "p", "hospital", POSITIVE, 200, 1)).iloc[0]
    assert list(row[["value_lo", "value_hi"]]) == list(own[["inflation_lo", "inflation_hi"]])
    assert found.loc["roc_auc_patient", "mean"] == pytest.approx(np.mean([auc(table, "patient") for table in repeats]))
    untrained = rows.set_index(["labels", "metric"]).loc[("shuffled", "inflation")]
    assert untrained["splits"] == 0 and np.isnan(untrained["mean"])


def test_few_repeats_have_no_interval_over_splits():
    rng = np.random.default_rng(3)
    repeats = [
        pd.concat([made_predictions(rng, 1.0, rng.normal(size=24)).assign(labels="true", unit=u) for u in UNITS])
        for _ in range(4)
    ]
    rows = pd.DataFrame(repeat_rows(repeats, "p", "hospital", POSITIVE, 0, 1, test_over_train=0.125))
    assert rows["mean_lo"].isna().all() and (rows.query("labels == 'true'")["sd"] > 0).all()


def config_of(leakage: dict | None = None, **more) -> dict:
    cohort = {"format": "dicom", "root": "data"}
    cohorts = {role: cohort | {"role": role, "table": f"{role}.tsv"} for role in ("public", "target")}
    return complete_config({"results": "r", "cohorts": cohorts, "leakage": leakage or {}} | more)


def test_the_cohort_and_the_pipelines_of_the_experiment():
    config = config_of()
    assert leakage_cohort(config) == "target"
    assert [pipeline.name for pipeline in leakage_pipelines(config)] == ["whole-small_cnn-scratch"]
    config["cohorts"]["target"]["patients"] = "unknown"
    assert leakage_cohort(config) == "public"
    config["cohorts"]["public"]["patients"] = "unknown"
    assert leakage_pipelines(config) == []
    assert leakage_pipelines(config_of({"pipelines": []})) == []
    assert LeakageCondition("true", "slice").name == "true-slice"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (config_of({"cohort": "abroad"}), "leakage.cohort: abroad is no cohort"),
        (config_of({"pipelines": ["whole-resnet5-scratch"]}), "'resnet5' is not known"),
        (
            config_of({"pipelines": ["segmented-small_cnn-scratch"]}, pipelines={"frameworks": ["whole"]}),
            "pipelines.frameworks has no segmented",
        ),
        (config_of({"epochs": 2}, training={"warmup_epochs": 2}), "leaves nothing of 2"),
    ],
)
def test_an_impossible_experiment_is_refused_before_any_job(config, message):
    with pytest.raises(UserError) as caught:
        check_leakage(config)
    assert message in str(caught.value)


def test_settings_are_those_of_stage_1_where_the_config_sets_no_other():
    config = config_of({"batch_size": None, "augmentation": True, "batch_norm_recalibration": None})
    of_stage = settings_of_stage(config, "whole-small_cnn-scratch", "1")
    assert of_stage["epochs"] != 20 and of_stage["augmentation"]["rotation"] == 10
    assert settings_of_leakage_training(config, "whole-small_cnn-scratch") == of_stage | {
        "epochs": 20,
        "learning_rate": 1e-3,
    }
    assert settings_of_leakage_training(config_of(), "whole-small_cnn-scratch")["augmentation"] is None
