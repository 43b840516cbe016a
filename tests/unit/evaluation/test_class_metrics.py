"""Metrics of several classes against scikit-learn, Hand and Till's M against its formula, resamples against loops."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata
from sklearn import metrics as peer

from lungsight.classes import places_of, probabilities_of, with_probabilities
from lungsight.evaluation.aggregation import fraction, mean_of_slices, patient_predictions, top_k
from lungsight.evaluation.class_metrics import (
    OF_CLASS,
    OVERALL,
    by_class_metrics,
    confusion_rows,
    decide,
    overall_metrics,
    overall_row,
    renormalised,
    rows_by_class,
)
from lungsight.evaluation.class_tables import class_rows, cohort_confusion_rows, temperatures_of
from lungsight.evaluation.fold_pooling import pool_folds, with_prediction
from lungsight.evaluation.intervals import draw_patients, draw_patients_of, draw_within_classes
from lungsight.evaluation.metrics import METRICS, drawn_weights, metrics_with_intervals
from lungsight.evaluation.model_evaluation import evaluate_model, evaluate_predictions
from lungsight.evaluation.performance_differences import COMPARED, COMPARED_OF_CLASSES, paired_rows
from lungsight.evaluation.subgroups import subgroup_rows
from lungsight.evaluation.temperature import calibrated, fit_temperature
from tests.factories.evaluation import made_prediction_table

LABELS = ["Covid-19", "CAP", "Normal"]
P = ["p_1", "p_2", "p_3"]


def made_table(labels=LABELS, patients: int = 24, slices: int = 4, seed: int = 0, digits: int = 2) -> pd.DataFrame:
    """Make predictions of several classes with tied scores; patients take turns, a third of them for validation."""
    rng = np.random.default_rng(seed)
    number = np.repeat(np.arange(patients), slices)
    truth = number % len(labels)
    logits = 1.2 * np.eye(len(labels))[truth] + rng.normal(size=(len(number), len(labels)))
    raw = np.exp(logits).round(digits) + 1e-3
    table = pd.DataFrame(
        {
            "slice": [f"{n:016x}-{k:04d}" for n in range(patients) for k in range(slices)],
            "patient": [f"{n:016x}" for n in number],
            "label": np.array(labels, dtype=object)[truth],
            "split": np.where(number // len(labels) % 3 == 0, "val", "test"),
        }
    )
    return with_probabilities(table, raw / raw.sum(axis=1, keepdims=True))


def both_metrics(*predictions: np.ndarray) -> tuple[dict, dict]:
    return overall_metrics(*predictions), by_class_metrics(*predictions)


def hand_till_by_ranks(truth: np.ndarray, p: np.ndarray) -> float:
    """Hand and Till (2001), equations 3 and 7: A(i|j) = (S_i − n_i (n_i + 1) / 2) / (n_i n_j), S_i the sum of ranks."""

    def area(i: int, j: int) -> float:
        scores = np.r_[p[truth == i, i], p[truth == j, i]]
        n_i, n_j = (truth == i).sum(), (truth == j).sum()
        return (rankdata(scores)[:n_i].sum() - n_i * (n_i + 1) / 2) / (n_i * n_j)

    k = p.shape[1]
    pairs = [(area(i, j) + area(j, i)) / 2 for i in range(k) for j in range(i + 1, k)]
    return 2 / (k * (k - 1)) * sum(pairs)


@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_those_of_scikit_learn(weighted: bool) -> None:
    table = made_table()
    truth, p = places_of(table["label"], LABELS), probabilities_of(table, LABELS)
    weight = np.random.default_rng(1).integers(0, 4, len(table)).astype(float) if weighted else np.ones(len(table))
    overall, by_class = both_metrics(truth, p, weight[None])
    predicted, how = p.argmax(axis=1), {"sample_weight": weight}
    assert overall["macro_f1"][0] == pytest.approx(peer.f1_score(truth, predicted, average="macro", **how))
    assert overall["balanced_accuracy"][0] == pytest.approx(peer.balanced_accuracy_score(truth, predicted, **how))
    assert overall["kappa"][0] == pytest.approx(peer.cohen_kappa_score(truth, predicted, **how))
    one_against_the_rest = peer.roc_auc_score(truth, p, multi_class="ovr", average="macro", **how)
    assert overall["macro_auc"][0] == pytest.approx(one_against_the_rest)
    precision, recall, f1, _ = peer.precision_recall_fscore_support(truth, predicted, **how)
    for name, values in (("precision", precision), ("sensitivity", recall), ("f1", f1)):
        np.testing.assert_allclose(by_class[name][0], values)
    for place in range(3):
        rest = peer.recall_score(truth != place, predicted != place, **how)
        assert by_class["specificity"][0, place] == pytest.approx(rest)
        assert by_class["brier"][0, place] == pytest.approx(peer.brier_score_loss(truth == place, p[:, place], **how))


def test_hand_and_tills_m_is_that_of_its_formula_and_of_scikit_learn() -> None:
    table = made_table(seed=3)
    truth, p = places_of(table["label"], LABELS), probabilities_of(table, LABELS)
    overall = overall_metrics(truth, p, np.ones((1, len(table))))
    assert overall["hand_till"][0] == pytest.approx(hand_till_by_ranks(truth, p))
    assert overall["hand_till"][0] == pytest.approx(peer.roc_auc_score(truth, p, multi_class="ovo"))
    counts = np.random.default_rng(2).integers(1, 4, len(table))
    repeated = overall_metrics(truth, p, counts[None].astype(float))
    assert repeated["hand_till"][0] == pytest.approx(
        hand_till_by_ranks(np.repeat(truth, counts), p.repeat(counts, axis=0))
    )


def test_intervals_are_those_of_resampled_tables() -> None:
    """Each draw, as a table in which a patient's rows are repeated, has the metrics that the weights give."""
    table = made_table(patients=9)
    (weights,) = drawn_weights(table, 40, seed=5)
    truth, p = places_of(table["label"], LABELS), probabilities_of(table, LABELS)
    overall, by_class = both_metrics(truth, p, weights)
    for number, counts in enumerate(weights.astype(int)):
        again, again_by_class = both_metrics(truth.repeat(counts), p.repeat(counts, axis=0), np.ones((1, counts.sum())))
        assert all(overall[name][number] == pytest.approx(again[name][0]) for name in OVERALL)
        for name in OF_CLASS:
            np.testing.assert_allclose(by_class[name][number], again_by_class[name][0])
    how = (table, LABELS, None, 40, 5)
    row, rows = overall_row(*how), rows_by_class(*how)
    low, high = np.quantile(overall["kappa"], [0.025, 0.975])
    assert (row["kappa_lo"], row["kappa_hi"]) == (pytest.approx(low), pytest.approx(high))
    low, high = np.quantile(by_class["f1"][:, 1], [0.025, 0.975])
    assert (rows[1]["f1_lo"], rows[1]["f1_hi"]) == (pytest.approx(low), pytest.approx(high))


def test_many_classes_are_drawn_within_each_and_two_together() -> None:
    table = made_table(patients=20)
    drawn = draw_patients_of(table["patient"], table["label"], 200, seed=1)
    classes = np.arange(20) % 3
    for number in range(3):
        of_class = drawn[:, classes == number]
        assert (of_class.sum(axis=1) == (classes == number).sum()).all()
        assert of_class.mean(axis=0) == pytest.approx(1, abs=0.25)
    assert (drawn == draw_within_classes(classes, 200, seed=1)).all()
    two = table[table["label"] != "CAP"]
    together = draw_patients_of(two["patient"], two["label"], 200, seed=1)
    assert (together == draw_patients(two["patient"].nunique(), 200, seed=1)).all()


def test_two_classes_have_the_numbers_of_the_first_against_the_other() -> None:
    labels = ["Covid-19", "Non Covid"]
    table = made_prediction_table(1.0)
    table = table[table["split"] == "test"]
    expected = metrics_with_intervals(table, labels[0], resamples=50, seed=1)
    how = (table, labels, None, 50, 1)
    overall, (first, second) = overall_row(*how), rows_by_class(*how)
    for name, same in (("sensitivity", "recall"), ("specificity",) * 2, ("precision",) * 2, ("f1",) * 2):
        for end in ("", "_lo", "_hi"):
            assert first[f"{name}{end}"] == pytest.approx(expected[f"{same}{end}"])
    for end in ("", "_lo", "_hi"):
        for name in ("roc_auc", "brier", "ece"):
            assert first[f"{name}{end}"] == pytest.approx(expected[f"{name}{end}"])
        assert second[f"sensitivity{end}"] == pytest.approx(expected[f"specificity{end}"])
        assert overall[f"hand_till{end}"] == pytest.approx(expected[f"roc_auc{end}"])


def test_costs_choose_the_class_with_the_least_expected_cost() -> None:
    p = np.array([[0.2, 0.3, 0.5], [0.5, 0.5, 0.0], [0.05, 0.05, 0.9]])
    assert decide(p).tolist() == [2, 0, 2]
    # To miss a Covid-19 costs ten.
    costs = [[0, 10, 10], [1, 0, 1], [1, 1, 0]]
    expected = [min(range(3), key=lambda k: sum(row[j] * costs[j][k] for j in range(3))) for row in p]
    assert decide(p, costs).tolist() == expected == [0, 0, 2]
    half = np.array([[0.5, 0.5], [0.4999, 0.5001]])
    assert decide(half).tolist() == [0, 1], "as at probability >= 0.5"


def test_confusion_counts_every_pair() -> None:
    table = made_table()
    predicted = probabilities_of(table, LABELS).argmax(axis=1)
    expected = peer.confusion_matrix(places_of(table["label"], LABELS), predicted)
    rows = confusion_rows(table, LABELS, None)
    assert [row["n"] for row in rows] == expected.ravel().tolist()
    assert [(row["true"], row["predicted"]) for row in rows[:4]] == [(LABELS[0], name) for name in LABELS] + [
        (LABELS[1], LABELS[0])
    ]
    assert sum(row["n"] for row in cohort_confusion_rows(table, LABELS, None) if row["unit"] == "patient") == 15


def test_a_cohort_without_a_class_is_renormalised_over_its_own() -> None:
    whole = made_table()
    assert renormalised(whole, LABELS) is None
    table = whole[whole["label"] != "CAP"].copy()
    table.loc[table.index[0], ["probability", *P]] = [0.0, 0.0, 1.0, 0.0]
    among = renormalised(table, LABELS)
    p, raw = among[P].to_numpy(), table[P].to_numpy()
    np.testing.assert_allclose(p[0], [0.5, 0, 0.5])
    np.testing.assert_allclose(p[1:, 0], raw[1:, 0] / (raw[1:, 0] + raw[1:, 2]))
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (among["probability"] == p[:, 0]).all()
    overall = overall_row(among, LABELS, None, resamples=0, seed=0)
    truth = (table["label"] == "Covid-19").to_numpy()
    assert overall["hand_till"] == pytest.approx(peer.roc_auc_score(truth, p[:, 0]))
    raw_overall = overall_row(table, LABELS, None, resamples=0, seed=0)
    called = np.array(LABELS, dtype=object)[raw.argmax(axis=1)]
    assert raw_overall["balanced_accuracy"] == pytest.approx(peer.balanced_accuracy_score(table["label"], called))
    rows = class_rows(table, {"slice": None, "patient": None}, LABELS, None, 0, 0)
    assert [row["probabilities"] for row in rows] == ["raw"] * 6 + ["renormalised"] * 6
    assert [row["n"] for row in rows[:3]] == [20, 0, 20]
    assert rows[1]["sensitivity"] is rows[1]["roc_auc"] is None


def test_the_temperature_has_the_least_loss_and_mends_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(3000, 3))
    true = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    truth = np.array([rng.choice(3, p=row) for row in true])
    sharp = np.exp(3 * logits) / np.exp(3 * logits).sum(axis=1, keepdims=True)
    table = with_probabilities(pd.DataFrame({"label": np.array(LABELS, dtype=object)[truth]}), sharp)
    temperature = fit_temperature(table, LABELS)
    assert temperature == pytest.approx(3, rel=0.1)
    losses = [peer.log_loss(truth, calibrated(sharp, t)) for t in (0.97 * temperature, temperature, 1.03 * temperature)]
    assert losses[1] == min(losses)
    np.testing.assert_allclose(calibrated(sharp, 3.0), true, rtol=1e-6)
    np.testing.assert_allclose(calibrated(sharp, None), sharp)
    lacking = np.array([[0.7, 0.0, 0.3], [0.2, 0.0, 0.8]])
    assert (calibrated(lacking, 2.0)[:, 1] == 0).all(), "a class that the model lacks stays at 0"
    assert fit_temperature(table[table["label"] == "CAP"], LABELS) is None
    of_classes = table.assign(patient=[f"{n:016x}" for n in range(3000)], slice="s", split="test")
    rows = class_rows(of_classes, {"slice": temperature, "patient": None}, LABELS, None, 0, 0)
    assert all(row["ece_calibrated"] < 0.3 * row["ece"] for row in rows[:3])
    assert rows[3]["ece_calibrated"] is None


def test_temperatures_come_from_validation() -> None:
    table = made_table()
    changed = table.copy()
    changed.loc[changed["split"] == "test", ["probability", *P]] = [1.0, 1.0, 0.0, 0.0]
    assert temperatures_of(table, LABELS) == temperatures_of(changed, LABELS)
    assert temperatures_of(table[table["split"] == "test"], LABELS) == {"slice": None, "patient": None}


def test_patients_are_scored_in_every_class() -> None:
    table = made_table(slices=5)
    means = mean_of_slices(table)
    for _, row in means.iterrows():
        slices = table[table["patient"] == row["patient"]]
        np.testing.assert_allclose(row[P].astype(float), slices[P].mean())
        best = np.sort(slices[P].to_numpy(), axis=0)[-2:].mean(axis=0)
        scored = top_k(table, 2).set_index("patient").loc[row["patient"]]
        np.testing.assert_allclose(scored[P].astype(float), best / best.sum())
        shares = (slices[P] >= 0.4).mean().to_numpy()
        expected = shares / shares.sum() if shares.sum() else np.full(3, 1 / 3)
        scored = fraction(table, 0.4).set_index("patient").loc[row["patient"]]
        np.testing.assert_allclose(scored[P].astype(float), expected)
        assert scored["probability"] == pytest.approx(expected[0])
    own = table.assign(patient_probability=0.2, patient_p_1=0.2, patient_p_2=0.5, patient_p_3=0.3)
    scores = patient_predictions(own)
    assert scores.loc[0, ["probability", *P]].tolist() == pytest.approx([0.2, 0.2, 0.5, 0.3])


def test_a_models_evaluation_holds_all_classes() -> None:
    tables = {"public": made_table(), "clinic": made_table(seed=1).query("label != 'CAP'")}
    evaluation = evaluate_model(tables, "public", "Covid-19", 20, 1, LABELS, None)
    assert [(row["cohort"], row["unit"]) for row in evaluation["renormalised"]] == [
        ("clinic", "slice"),
        ("clinic", "patient"),
    ]
    for row in evaluation["rows"] + evaluation["aggregation"]:
        assert {f"{name}{end}" for name in OVERALL for end in ("", "_lo", "_hi")} < set(row)
    assert "macro_f1" not in evaluate_predictions(tables["public"], "Covid-19", 0, 0)[0]


def test_differences_of_two_models_are_paired() -> None:
    first, second = made_table(seed=0), made_table(seed=1)
    rows = paired_rows(first, second, "slice", "Covid-19", 30, 4, LABELS)
    assert [row["metric"] for row in rows] == [*COMPARED, *COMPARED_OF_CLASSES]
    tests = [table[table["split"] == "test"] for table in (first, second)]
    (weights,) = drawn_weights(tests[0], 30, seed=4)
    drawn = [
        overall_metrics(places_of(table["label"], LABELS), probabilities_of(table, LABELS), weights) for table in tests
    ]
    row = next(row for row in rows if row["metric"] == "hand_till")
    low, high = np.quantile(drawn[1]["hand_till"] - drawn[0]["hand_till"], [0.025, 0.975])
    assert (row["difference_lo"], row["difference_hi"]) == (pytest.approx(low), pytest.approx(high))
    assert row["difference"] == pytest.approx(row["second"] - row["first"])


def test_subgroups_hold_metrics_of_all_classes() -> None:
    table = made_table()
    groups = pd.DataFrame({"scanner": ["a", "b"] * (len(table) // 2)}, index=table["slice"])
    rows = subgroup_rows(table, groups, "Covid-19", 10, 0, LABELS)
    assert {"hand_till", "hand_till_lo", "balanced_accuracy_hi"} < set(rows[0])
    of_a = table[(table["split"] == "test") & (table["slice"].map(groups["scanner"]) == "a")]
    truth = places_of(of_a["label"], LABELS)
    assert rows[0]["hand_till"] == pytest.approx(hand_till_by_ranks(truth, of_a[P].to_numpy()))


def test_folds_are_pooled_in_every_class() -> None:
    table = made_table().assign(predicted="CAP")
    folds = [table.assign(split=np.where(np.arange(len(table)) % 2 == fold, "test", "train")) for fold in (0, 1)]
    folds[1][["probability", *P]] = [0.1, 0.1, 0.2, 0.7]
    pooled = with_prediction(pool_folds(folds), LABELS)
    np.testing.assert_allclose(pooled.loc[::2, P], table.loc[::2, P])
    np.testing.assert_allclose(pooled.loc[1::2, P], np.tile([0.1, 0.2, 0.7], (len(table) // 2, 1)))
    assert set(pooled.loc[1::2, "predicted"]) == {"Normal"}


def lone_table() -> pd.DataFrame:
    """Class A has one patient of eight slices, six of them right; B and C have ten patients each."""
    table = made_table(patients=21)
    kept = table[table["label"] != LABELS[0]]
    probabilities = np.where(np.arange(8)[:, None] < 6, [0.8, 0.1, 0.1], [0.1, 0.8, 0.1])
    alone = with_probabilities(pd.DataFrame({"patient": ["alone"] * 8, "label": LABELS[0]}), probabilities)
    return pd.concat([kept, alone], ignore_index=True)


def test_a_class_with_one_patient_leaves_what_divides_by_it_without_an_interval() -> None:
    table = lone_table()
    first, second, _ = rows_by_class(table, LABELS, None, 50, 1)
    assert first["sensitivity"] == 0.75 and first["sensitivity_lo"] is None and first["sensitivity_hi"] is None
    assert first["specificity_lo"] < first["specificity_hi"] and second["sensitivity_lo"] < second["sensitivity_hi"]
    assert second["specificity_lo"] is None and first["roc_auc_lo"] is None and second["roc_auc_lo"] is None
    row = overall_row(table, LABELS, None, 50, 1)
    assert all(row[name] is not None and row[f"{name}_lo"] is None and row[f"{name}_hi"] is None for name in OVERALL)


def test_one_patient_of_each_class_gives_no_interval_at_all() -> None:
    table = made_table(patients=3)
    row = overall_row(table, LABELS, None, 50, 1) | metrics_with_intervals(table, LABELS[0], 50, 1)
    ends = [value for name, value in row.items() if name.endswith(("_lo", "_hi"))]
    assert len(ends) == 2 * (len(OVERALL) + 9) and all(value is None or np.isnan(value) for value in ends)


def test_a_cohort_that_lacks_one_of_three_classes_is_drawn_within_its_own() -> None:
    table = made_table(patients=20)
    two = table[table["label"] != "CAP"].reset_index(drop=True)
    (weights,) = drawn_weights(two, 100, seed=1)
    first = ~two["patient"].duplicated().to_numpy()
    for label in two["label"].unique():
        of_class = weights[:, first & (two["label"] == label).to_numpy()]
        assert (of_class.sum(axis=1) == of_class.shape[1]).all()


def test_two_classes_without_recall_of_a_lone_patient_keep_the_rest() -> None:
    labels = ["Covid-19", "Non Covid"]
    table = made_prediction_table(1.0)
    positives = table[table["label"] == labels[0]]
    lone = pd.concat(
        [positives[positives["patient"] == positives["patient"].iloc[0]], table[table["label"] == labels[1]]]
    )
    values = metrics_with_intervals(lone, labels[0], 50, 1)
    assert {name for name in METRICS if np.isnan(values[f"{name}_lo"])} == {"recall", "roc_auc", "pr_auc"}
