"""Whether exclusion depends on the class: against other code, by hand and in simulation."""

from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.selection import simulated_rate
from lungsight.evaluation.selection import (
    Cohort,
    correlation_within,
    largest_t,
    p_of_classes,
    selection_table,
    share_with_interval,
)

A, B, C = "ill", "well", "other"


def labels_of(*sizes: int) -> pd.Series:
    return pd.Series(np.repeat([A, B, C][: len(sizes)], sizes))


def test_the_interval_holds_at_zero_and_at_one() -> None:
    for shares in (np.zeros(30), np.ones(30)):
        mean, low, high = share_with_interval(shares, 90)
        exact = stats.binomtest(int(shares.sum()), 30).proportion_ci(method="exact")
        assert (mean, low, high) == pytest.approx((shares[0], exact.low, exact.high))


def test_the_interval_of_one_slice_each_is_nearly_that_of_clopper_and_pearson() -> None:
    shares = np.r_[np.ones(14), np.zeros(86)]
    exact = stats.binomtest(14, 100).proportion_ci(method="exact")
    assert share_with_interval(shares, 100) == pytest.approx((0.14, exact.low, exact.high), abs=0.002)


def test_patients_whose_slices_are_alike_count_as_patients() -> None:
    """Ten slices each that share a fate are worth one; ten that do not are worth more."""
    rng = np.random.default_rng(0)
    alike, free = np.repeat([0.0, 1.0], [30, 10]), rng.binomial(10, 0.25, 40) / 10
    width = {}
    for name, shares in (("alike", alike), ("free", free)):
        _, low, high = share_with_interval(shares, 400)
        width[name] = high - low
    assert width["alike"] == pytest.approx(np.diff(stats.binomtest(10, 40).proportion_ci())[0], abs=0.02)
    assert width["free"] < 0.5 * width["alike"]


def test_the_statistic_is_that_of_welch() -> None:
    rng = np.random.default_rng(1)
    first, second, third = rng.random(9), rng.random(14) ** 2, 0.3 * rng.random(5)
    expected = [abs(stats.ttest_ind(*pair, equal_var=False).statistic) for pair in ((first, second), (first, third))]
    expected.append(abs(stats.ttest_ind(second, third, equal_var=False).statistic))
    assert largest_t(np.concatenate([first, second])[None], [9, 14])[0] == pytest.approx(expected[0])
    assert largest_t(np.concatenate([first, second, third])[None], [9, 14, 5])[0] == pytest.approx(max(expected))


def test_the_p_value_is_that_of_all_shuffles() -> None:
    shares = np.array([0.0, 0.1, 0.3, 0.2, 0.7, 0.9, 0.5])
    drawn = np.array([largest_t(np.array(order)[None], [3, 4])[0] for order in permutations(shares)])
    exact = (drawn >= drawn[0] - 1e-9).mean()
    assert p_of_classes(shares, np.full(7, 10.0), labels_of(3, 4), seed=1) == pytest.approx(exact, abs=0.02)
    # With unequal numbers of slices, also a simulation has to agree.
    assert p_of_classes(shares, np.array([9.0, 10, 10, 5, 10, 10, 2]), labels_of(3, 4), seed=1) >= exact - 0.02


def test_what_cannot_or_need_not_be_tested() -> None:
    assert np.isnan(p_of_classes(np.array([0.0, 1.0, 1.0]), np.ones(3), labels_of(1, 2), seed=1))
    assert p_of_classes(np.zeros(9), np.arange(1.0, 10), labels_of(4, 5), seed=1) == 1
    assert p_of_classes(np.repeat([0.0, 1.0], 10), np.ones(20), labels_of(10, 10), seed=1) == pytest.approx(1 / 5000)


def test_the_correlation_within_patients_is_recovered() -> None:
    rng = np.random.default_rng(3)
    units = rng.integers(2, 12, 4000).astype(float)
    for true in (0.0, 0.3, 0.7):
        chance = rng.beta(0.2 * (1 / true - 1), 0.8 * (1 / true - 1), 4000) if true else np.full(4000, 0.2)
        lost = rng.binomial(units.astype(int), chance).astype(float)
        assert correlation_within(lost, units) == pytest.approx(true, abs=0.03)
    assert correlation_within(np.array([0.0, 1.0]), np.ones(2)) == 0


def cohort_of(patients_known: bool = True) -> Cohort:
    """Four ill patients, who lose slices, four well ones, who lose none; one row rejected, one skipped."""
    number = range(8)
    cases = pd.DataFrame(
        {
            "case": [*(f"c{k}" for k in number), "r", "s"],
            "patient": [*(f"p{k}" for k in number), "p0", "p9"],
            "label": [*(A if k < 4 else B for k in number), A, A],
            "status": ["ok"] * 8 + ["rejected", "skipped"],
        }
    )
    slices = cases.iloc[np.repeat(number, 4)].reset_index(drop=True)[["case", "patient", "label"]]
    slices["slice"] = [f"{case}-{k % 4}" for k, case in enumerate(slices["case"])]
    left_out = (slices["label"] == A) & (np.arange(32) % 4 < np.arange(32) // 4)
    manifest = slices[["slice"]].assign(whole_keep=1, segmented_keep=(~left_out).astype(int))
    return Cohort("clinic", cases, slices, manifest, patients_known)


def test_the_table_counts_rows_slices_and_patients_of_each_class() -> None:
    table = selection_table([cohort_of()], ["whole", "segmented"], [A, B, C], seed=1)
    steps = table[["excluded_by", "framework", "label"]].itertuples(index=False, name=None)
    assert list(steps) == [
        *(("intake", "", name) for name in (A, B)),
        *(("quality control", view, name) for view in ("whole", "segmented") for name in (A, B)),
    ]
    ill, well = table[table["excluded_by"] == "intake"].to_dict("records")
    # Of the first patient's two rows one was rejected; the skipped row was never meant to be in the study.
    assert (ill["patients"], ill["n"], ill["kept"], ill["excluded"]) == (4, 5, 4, pytest.approx(0.5 / 4))
    assert (well["patients"], well["n"], well["kept"], well["excluded"], well["unit"]) == (4, 4, 4, 0, "row")
    ill, well = table[table["framework"] == "segmented"].to_dict("records")
    assert (ill["n"], ill["kept"], ill["excluded"]) == (16, 10, pytest.approx((0 + 1 + 2 + 3) / 16))
    assert (well["kept"], well["excluded"], well["patients_kept"]) == (16, 0, 4)
    assert (table.groupby(["excluded_by", "framework"])["p"].nunique() == 1).all()
    p = table.drop_duplicates(["excluded_by", "framework"]).set_index("framework")
    assert p.loc["whole", "p"] == 1
    assert p.loc["segmented", "p_holm"] == pytest.approx(min(1, 3 * p.loc["segmented", "p"]))
    assert set(selection_table([cohort_of(False)], ["whole"], [A, B], 1)["patients_known"]) == {0}


def test_a_patient_of_whom_nothing_is_left_is_not_kept() -> None:
    cohort = cohort_of()
    gone = cohort.slices["patient"] == "p3"
    cohort = cohort._replace(manifest=cohort.manifest.assign(segmented_keep=(~gone).astype(int)))
    ill = selection_table([cohort], ["segmented"], [A, B], 1).query("label == @A and framework != ''").iloc[0]
    assert (ill["patients"], ill["patients_kept"], ill["excluded"]) == (4, 3, 0.25)


def test_false_alarms_are_rare_and_a_difference_is_found() -> None:
    """Also where slices of a patient share a fate and one class has four times as many."""
    slices = (2, 8)
    alarms = simulated_rate((0.2, 0.2), (60, 60), slices, within=0.5, simulations=300, draws=199, seed=1)
    assert alarms <= stats.binom.ppf(0.99, 300, 0.05) / 300
    found = simulated_rate((0.4, 0.1), (60, 60), slices, within=0.5, simulations=60, draws=199, seed=2)
    assert found > 0.9
