"""Net benefit against a computation by hand, its bounds, and intervals over patients."""

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.decision_curves import THRESHOLDS, decision_rows
from tests.factories.evaluation import made_prediction_table
from tests.factories.tables import NEGATIVE, POSITIVE

HAND = pd.DataFrame(
    {
        "slice": [f"{n:016x}-0000" for n in range(8)],
        "patient": list("aabcdefg"),
        "label": [POSITIVE] * 4 + [NEGATIVE] * 4,
        "split": "test",
        "probability": [0.9, 0.5, 0.3, 0.1, 0.8, 0.4, 0.2, 0.05],
    }
)


def curve(table: pd.DataFrame, resamples: int = 0, positive: str = POSITIVE) -> pd.DataFrame:
    return pd.DataFrame(decision_rows(table, positive, resamples, seed=1)).set_index("threshold")


def test_net_benefit_by_hand() -> None:
    """Patients: positive a 0.7 (two slices), b 0.3, c 0.1; negative d 0.8, e 0.4, f 0.2, g 0.05."""
    rows = curve(HAND)
    assert (rows["n"] == 7).all() and (rows["n_positive"] == 3).all()
    by_hand = {
        0.05: (3 / 7 - 4 / 7 * 0.05 / 0.95, 3 / 7 - 4 / 7 * 0.05 / 0.95),
        0.25: (2 / 7 - 2 / 7 / 3, 3 / 7 - 4 / 7 / 3),
        0.5: (1 / 7 - 1 / 7, 3 / 7 - 4 / 7),
        0.75: (0 - 1 / 7 * 3, 3 / 7 - 4 / 7 * 3),
        0.9: (0, 3 / 7 - 4 / 7 * 9),
    }
    for threshold, (of_model, on_all) in by_hand.items():
        row = rows.loc[threshold]
        assert row["net_benefit"] == pytest.approx(of_model) and row["act_on_all"] == pytest.approx(on_all)
        assert row["gain"] == pytest.approx(of_model - max(on_all, 0))


def test_bounds() -> None:
    """A model that knows the class has the prevalence as its net benefit; one that calls everybody is acting on all."""
    known = curve(HAND.assign(probability=np.where(HAND["label"] == POSITIVE, 1.0, 0.0)))
    assert np.allclose(known["net_benefit"], 3 / 7) and (known["gain"] > 0).all()
    everybody = curve(HAND.assign(probability=1.0))
    np.testing.assert_allclose(everybody["net_benefit"], everybody["act_on_all"])
    nobody = curve(HAND.assign(probability=0.0))
    assert (nobody["net_benefit"] == 0).all() and (nobody["gain"] <= 0).all()
    # The class of another word stands against the rest.
    assert curve(HAND, positive=NEGATIVE)["n_positive"].unique() == [4]


def test_intervals_are_those_of_patients_drawn_one_by_one() -> None:
    """A second implementation: draw patients, take their rows, count."""
    table = made_prediction_table(2.0, patients=40, seed=2)
    rows = curve(table, resamples=3000)
    test = table[table["split"] == "test"]
    patients = test.groupby(["patient", "label"], sort=False)["probability"].mean().reset_index()
    rng = np.random.default_rng(7)
    drawn = rng.integers(0, len(patients), size=(3000, len(patients)))
    positive, acted = (
        (patients["label"] == POSITIVE).to_numpy()[drawn],
        (patients["probability"] >= 0.3).to_numpy()[drawn],
    )
    benefits = (positive & acted).mean(axis=1) - (~positive & acted).mean(axis=1) * 3 / 7
    low, high = np.quantile(benefits, [0.025, 0.975])
    row = rows.loc[0.3]
    assert row["net_benefit_lo"] == pytest.approx(low, abs=0.03)
    assert row["net_benefit_hi"] == pytest.approx(high, abs=0.03)
    assert (rows["net_benefit_lo"] <= rows["net_benefit"]).all() and (
        rows["net_benefit"] <= rows["net_benefit_hi"]
    ).all()


def test_no_interval_without_patients_to_draw() -> None:
    assert curve(HAND)[["net_benefit_lo", "gain_hi"]].isna().all(axis=None)
    lone = HAND[HAND["patient"] == "a"]
    assert curve(lone, resamples=50)["net_benefit_lo"].isna().all()
    assert decision_rows(HAND.assign(split="val"), POSITIVE, 50, 1) == []
    assert THRESHOLDS[0] == 0.05 and THRESHOLDS[-1] == 0.95 and len(THRESHOLDS) == 19
