"""What is left once slices without an accepted lung mask are out, against counts and a bootstrap by hand."""

import numpy as np
import pandas as pd
import pytest

from lungsight.audit.fair_sample import audited_sample
from lungsight.explain.reasons import EMPTY, NO_MASK, REJECTED


def saliency(*patients: tuple[str, str, str]) -> pd.DataFrame:
    """Rows of patients: label, a letter for each slice (l: lost, k: kept), outcome."""
    reasons = {"l": REJECTED, "n": NO_MASK, "k": "", "e": EMPTY}
    return pd.DataFrame(
        [
            {"patient": f"p{number}", "label": label, "outcome": outcome, "reason": reasons[letter]}
            for number, (label, letters, outcome) in enumerate(patients)
            for letter in letters
        ]
    )


def test_slices_and_patients_of_each_class_are_counted() -> None:
    table = saliency(("ill", "llkk", "TP"), ("ill", "nl", "FN"), ("well", "kkke", "TN"), ("well", "kkkl", "FP"))
    found = audited_sample(table, 0, 1)
    ill, well = found.classes
    assert ill == ("ill", 6, 2, 2, 1, pytest.approx((0.5 + 1) / 2))
    assert well == ("well", 8, 7, 2, 2, pytest.approx(0.125))
    assert (found.slices, found.lost) == (14, 5)
    assert found.lost_of_classes == "4 of 6 ill, 1 of 8 well"
    assert found.by_class.value == pytest.approx(0.75 - 0.125)
    # Of six wrongly predicted slices three are lost, of eight rightly predicted two.
    assert found.by_outcome.value == pytest.approx(3 / 6 - 2 / 8)
    assert (found.smallest.label, found.most_lost.label) == ("ill", "ill")


def test_intervals_draw_patients() -> None:
    """Against a bootstrap that draws patients one by one."""
    rng = np.random.default_rng(5)
    shares = rng.integers(0, 5, 40)
    rows = [("ill" if k < 20 else "well", "l" * lost + "k" * (4 - lost), "TP") for k, lost in enumerate(shares)]
    found = audited_sample(saliency(*rows), 4000, 1).by_class
    drawn = rng.integers(0, 40, (4000, 40))
    ill, lost = drawn < 20, shares[drawn] / 4
    differences = (lost * ill).sum(1) / ill.sum(1) - (lost * ~ill).sum(1) / (~ill).sum(1)
    sign = np.sign(shares[:20].sum() - shares[20:].sum())
    assert found.value == pytest.approx(abs(shares[:20].mean() - shares[20:].mean()) / 4)
    assert [found.low, found.high] == pytest.approx(np.sort(sign * np.quantile(differences, [0.025, 0.975])), abs=0.02)


def test_three_classes_are_compared_by_the_two_that_differ_most() -> None:
    table = saliency(("a", "lk", "TP"), ("b", "kk", "TN"), ("c", "lllk", "TN"))
    assert audited_sample(table, 0, 1).by_class.value == pytest.approx(0.75)


def test_without_a_loss_everything_is_zero() -> None:
    found = audited_sample(saliency(("ill", "kk", "TP"), ("well", "kk", "TN")), 10, 1)
    assert found.lost == 0 and found.by_class == found.by_outcome == (0, 0, 0)
    assert not (found.too_few_left or found.mostly_lost or found.follows_class or found.follows_outcome)
