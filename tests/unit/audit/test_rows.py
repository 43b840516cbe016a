"""Intervals and AUCs of the audit, against scikit-learn and a bootstrap written out."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from lungsight.audit.interventions import FILLS, INTERVENTIONS
from lungsight.audit.occlusion_tests import occlusion_rows, scores_of_interventions
from lungsight.audit.pairs import auc_statistic, by_unit, scores_of_first
from lungsight.audit.rows import UNMODIFIED, auc_row, clustered_interval
from lungsight.evaluation.intervals import draw_patients
from lungsight.rows import AuditRow
from lungsight.tables import check_table
from tests.factories.tables import NEGATIVE, POSITIVE


def slices(patients: int = 12, each: int = 3, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """patient, label of every slice, and a probability that leans towards the label."""
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"patient": np.repeat([f"p{k}" for k in range(patients)], each)})
    table["label"] = np.where(np.arange(len(table)) // each % 2 == 0, POSITIVE, NEGATIVE)
    return table, expit(rng.normal(size=len(table)) + (table["label"] == POSITIVE).to_numpy())


def test_auc_by_slice_and_by_patient_are_scikit_learns() -> None:
    table, probability = slices()
    truth = table["label"] == POSITIVE
    for unit, scores in by_unit(scores_of_first(table, probability, POSITIVE)).items():
        row = auc_row("intervention", UNMODIFIED, scores, 20, 1, unit)
        means = table.assign(p=probability, y=truth).groupby("patient")[["p", "y"]].mean()
        pairs = (means["y"], means["p"]) if unit == "patient" else (truth, probability)
        assert row["value"] == pytest.approx(roc_auc_score(*pairs))
        assert row["value_lo"] <= row["value"] <= row["value_hi"]
        assert (row["unit"], row["n"], row["chance"]) == (unit, len(pairs[0]), 0.5)


def test_the_interval_draws_patients_with_all_their_slices() -> None:
    table, probability = slices()
    truth = (table["label"] == POSITIVE).to_numpy()
    _, (low, high) = clustered_interval(auc_statistic(truth, probability), table["patient"], 200, 7)
    values = []
    for drawn in draw_patients(12, 200, 7):
        rows = np.repeat(np.arange(36), np.repeat(drawn, 3))
        if 0 < truth[rows].sum() < len(rows):
            values.append(roc_auc_score(truth[rows], probability[rows]))
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_no_interval_without_resamples_or_a_second_patient() -> None:
    table, probability = slices()
    statistic = auc_statistic((table["label"] == POSITIVE).to_numpy(), probability)
    assert np.isnan(clustered_interval(statistic, table["patient"], 0, 1)[1]).all()
    assert np.isnan(clustered_interval(statistic, pd.Series(["p"] * 36), 9, 1)[1]).all()


def test_one_class_has_a_reason_and_no_value() -> None:
    table, probability = slices()
    alone = by_unit(scores_of_first(table.assign(label=POSITIVE), probability, POSITIVE))["patient"]
    row = auc_row("intervention", UNMODIFIED, alone, 20, 1, "patient")
    assert np.isnan(row["value"]) and row["reason"] == "one class only"


def occluded(table: pd.DataFrame, logits: pd.DataFrame, resamples: int) -> list[AuditRow]:
    scores = scores_of_interventions(pd.concat([table, logits], axis=1), None, POSITIVE)
    return occlusion_rows(*scores, resamples, 1)


def made_logits(of_lung: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Logits of a model that adds a part from the lung and one from the background; a flat fill takes a part to 0."""
    table, _ = slices(seed=3)
    sign = np.where(table["label"] == POSITIVE, 1.0, -1.0)
    rng = np.random.default_rng(4)
    lung, background = of_lung * sign, (1 - of_lung) * sign
    logits = {UNMODIFIED: lung + background}
    for name in INTERVENTIONS:
        kept = {"background_only": (-1 if name.endswith("other") else 0, 1), "lung_only": (1, 0)}
        of_each = next((factors for key, factors in kept.items() if name.startswith(key)), (1, 1))
        logits[name] = of_each[0] * lung + of_each[1] * background + 0.01 * rng.normal(size=len(table))
    return table, pd.DataFrame(logits)


@pytest.mark.parametrize("of_lung", [0.1, 0.8])
def test_occlusion_tests_find_the_share_of_the_lung(of_lung: float) -> None:
    table, logits = made_logits(of_lung)
    rows = pd.DataFrame(occluded(table, logits, 50))
    check_table(rows, "audit", "shortcuts")
    reliance = rows[rows["test"] == "lung_reliance"].set_index("variant")["value"]
    assert list(reliance.index) == list(FILLS)
    assert reliance["mean"] == pytest.approx(of_lung, abs=0.02)
    auc = rows[(rows["measure"] == "roc_auc") & (rows["unit"] == "patient")].set_index("variant")["value"]
    assert auc["background_only_other"] == (0 if of_lung > 0.5 else 1)
    assert auc["silhouette"] == auc[UNMODIFIED] == 1


def test_the_loss_of_auc_is_paired() -> None:
    """An intervention that changes no order loses nothing, in any resample."""
    table, probability = slices()
    logits = pd.DataFrame({UNMODIFIED: probability} | {name: 2 * probability for name in INTERVENTIONS})
    rows = pd.DataFrame(occluded(table, logits, 50))
    loss = rows[(rows["measure"] == "roc_auc_loss") & (rows["unit"] == "slice")]
    assert len(loss) == len(INTERVENTIONS)
    assert (loss[["value", "value_lo", "value_hi"]] == 0).all(axis=None)


def test_a_model_that_predicts_the_same_for_every_image_has_no_reliance() -> None:
    table, _ = slices()
    logits = pd.DataFrame(0.3, index=table.index, columns=[UNMODIFIED, *INTERVENTIONS])
    rows = [row for row in occluded(table, logits, 9) if row["test"] == "lung_reliance"]
    assert {row["reason"] for row in rows} == {"the answer changes with neither part"}
