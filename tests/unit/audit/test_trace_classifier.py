"""Telling classes by binned values: areas, accuracies and p-values against formulas and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from lungsight.audit.trace_classifier import (
    MOST_BINS,
    PRIOR,
    answer_of,
    auc_of_ranks,
    balanced_accuracy,
    bins_of_numbers,
    bins_of_words,
    counts_of_groups,
    folds_of,
    log_likelihoods,
    one_vs_rest_auc,
    permuted_labels,
    testable,
)

testable.__test__ = False


def test_bins_hold_about_equal_counts_and_one_the_unknown():
    values = np.append(np.random.default_rng(1).normal(size=400), [np.nan] * 50)
    bins = bins_of_numbers(values)
    assert len(np.unique(bins)) == MOST_BINS + 1
    assert set(np.bincount(bins[:400], minlength=MOST_BINS)[:MOST_BINS]) == {50}
    assert len(set(bins[400:])) == 1 and bins[400] not in bins[:400]


@pytest.mark.parametrize("count", [10, 24, 40, 60, 200])
def test_a_number_that_parts_the_classes_tells_all(count):
    labels, values = np.arange(count) % 2, np.random.default_rng(count).normal(size=count)
    values[labels == 1] += 100
    assert answer_of([bins_of_numbers(values)], labels, np.arange(count), 1, 0).auc == 1


def test_a_value_that_most_have_is_a_bin_of_its_own():
    values = np.r_[np.zeros(90), np.arange(1, 11)]
    bins = bins_of_numbers(values)
    assert len(set(bins[:90])) == 1 and bins[0] not in bins[90:]
    assert len(np.unique(bins_of_numbers(np.full(9, 3.0)))) == 1
    assert len(np.unique(bins_of_numbers(np.full(9, np.nan)))) == 1


def test_words_are_bins_and_the_unknown_as_well():
    assert list(bins_of_words(pd.Series(["png", "", "png", "jpeg"]))) == [0, 1, 0, 2]


def test_folds_keep_patients_together_and_are_even():
    patients = np.repeat(np.arange(50), 2)
    folds = folds_of(patients, 3)
    assert (folds[::2] == folds[1::2]).all()
    assert list(np.bincount(folds)) == [20] * 5


def test_patients_with_one_label_exchange_them_and_others_keep_theirs():
    labels = np.array([0, 0, 0, 1, 1, 1, 0, 1])
    patients = np.array([0, 1, 2, 3, 4, 5, 6, 6])
    columns = permuted_labels(labels, patients, 200, 1)
    assert (columns[:, 0] == labels).all()
    assert (columns[:6].sum(axis=0) == 3).all() and (columns[6:].sum(axis=0) == 1).all()
    assert columns[0, 1:].mean() == pytest.approx(0.5, abs=0.12) and columns[6, 1:].mean() == pytest.approx(
        0.5, abs=0.12
    )


def test_scores_are_the_frequencies_of_the_other_folds():
    bins, folds = np.array([0, 0, 1, 1, 1, 0]), np.array([0, 0, 0, 1, 1, 1])
    labels = np.array([0, 1, 1, 0, 1, 0])[:, None]
    scores = log_likelihoods(bins, folds, counts_of_groups(np.arange(6), labels, 2))[:, :, 0]
    # Fold 1 holds of class 0 one row in bin 0 and one in bin 1, of class 1 none and one.
    assert np.exp(scores[0]) == pytest.approx([(1 + PRIOR) / (2 + 2 * PRIOR), PRIOR / (1 + 2 * PRIOR)])
    assert np.exp(scores[2]) == pytest.approx([(1 + PRIOR) / (2 + 2 * PRIOR), (1 + PRIOR) / (1 + 2 * PRIOR)])


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_auc_and_balanced_accuracy_are_those_of_scikit_learn(classes):
    rng = np.random.default_rng(classes)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, 120)]
    scores = rng.normal(size=(len(labels), classes)) + 1.2 * np.eye(classes)[labels]
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    wanted = roc_auc_score(labels, shares[:, 1] if classes == 2 else shares, multi_class="ovr")
    counts = counts_of_groups(np.arange(len(labels)), labels[:, None], classes)
    assert one_vs_rest_auc(scores[:, :, None], counts)[0] == pytest.approx(wanted)
    assert balanced_accuracy(scores, labels) == pytest.approx(balanced_accuracy_score(labels, scores.argmax(axis=1)))


def test_rows_that_stand_for_several_count_as_several():
    """Two classes of 300 rows with 7 different scores: of groups, and of each row by scikit-learn."""
    rng = np.random.default_rng(7)
    labels, groups = rng.integers(0, 2, (300, 4)), rng.permutation(np.arange(300) % 7)
    scores = rng.integers(0, 5, (7, 4)).astype(float)  # some groups have equal scores
    counts = counts_of_groups(groups, labels, 2)
    assert (counts.sum(axis=(0, 1)) == 300).all() and counts[3, 1, 2] == labels[groups == 3, 2].sum()
    wanted = [roc_auc_score(labels[:, m], scores[groups, m]) for m in range(4)]
    assert auc_of_ranks(scores, counts[:, 1], counts.sum(axis=1)) == pytest.approx(wanted)
    assert auc_of_ranks(scores[groups], labels == 1) == pytest.approx(wanted)


def test_a_tie_is_right_in_part():
    assert balanced_accuracy(np.zeros((6, 3)), np.array([0, 0, 1, 1, 2, 2])) == pytest.approx(1 / 3)


def two_classes(n=60):
    return np.arange(n) % 2, np.arange(n)


def test_a_value_that_is_the_label_tells_it():
    labels, patients = two_classes()
    auc, accuracy, p, chance = answer_of([labels], labels, patients, 1, 99)
    assert (auc, accuracy, p) == (1, 1, 0.01) and abs(chance - 0.5) < 0.1


def test_a_value_at_both_ends_tells_the_label():
    """Its ROC curve as a number is at chance: positives lie below and above."""
    labels, patients = two_classes(120)
    rng = np.random.default_rng(1)
    values = np.where(labels, rng.choice([-1, 1], 120) * rng.uniform(1, 2, 120), rng.uniform(-0.9, 0.9, 120))
    assert abs(roc_auc_score(labels, values) - 0.5) < 0.1
    assert answer_of([bins_of_numbers(values)], labels, patients, 1, 19).auc > 0.95


def test_three_classes_are_predicted():
    labels, patients = np.arange(90) % 3, np.arange(90)
    auc, accuracy, p, chance = answer_of([labels], labels, patients, 1, 99)
    assert (auc, accuracy, p) == (1, 1, 0.01) and abs(chance - 0.5) < 0.1
    half = answer_of([(labels == 2).astype(int)], labels, patients, 1, 99)
    assert half.auc == pytest.approx((1 + 0.75 + 0.75) / 3, abs=0.06) and half.p == 0.01


def test_weak_values_tell_more_together():
    rng = np.random.default_rng(2)
    labels, patients = two_classes(200)
    values = [np.where(rng.random(200) < 0.68, labels, 1 - labels) for _ in range(8)]
    alone = [answer_of([value], labels, patients, 1, 0).auc for value in values]
    together = answer_of(values, labels, patients, 1, 0)
    assert together.auc > max(alone) + 0.08 and np.isnan(together.p)


def test_p_is_uniform_without_a_difference():
    rng = np.random.default_rng(5)
    labels, patients = two_classes(40)
    p = [answer_of([bins_of_numbers(rng.normal(size=40))], labels, patients, seed, 39).p for seed in range(120)]
    assert np.mean(np.array(p) <= 0.05) <= 0.1
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_chunks_of_permutations_change_nothing(monkeypatch):
    labels, patients = two_classes()
    bins = bins_of_numbers(np.random.default_rng(1).normal(size=60) + 0.5 * labels)
    whole = answer_of([bins], labels, patients, 1, 99)
    monkeypatch.setattr("lungsight.audit.trace_classifier._AT_ONCE", 1000)
    assert answer_of([bins], labels, patients, 1, 99) == whole


def test_too_few_patients_are_not_tested():
    assert testable(np.array([0, 0, 0, 1, 1, 1]), np.arange(6))
    assert not testable(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 1, 2, 3, 3, 4]))
    assert not testable(np.zeros(9, int), np.arange(9))
