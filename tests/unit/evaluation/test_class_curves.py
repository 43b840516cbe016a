"""The curves of each class, against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from lungsight.evaluation.class_curves import RELIABILITY, ROC, curve_rows, roc_points


def test_the_corners_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, scores = rng.random(60) < 0.4, rng.integers(0, 20, 60) / 20
    found = roc_points(truth, scores)
    x, y, _ = roc_curve(truth, scores)
    assert auc(*found.T) == pytest.approx(roc_auc_score(truth, scores))
    assert {tuple(row) for row in found.round(9)} <= {tuple(row) for row in np.stack([x, y], axis=1).round(9)}
    assert found[0].tolist() == [0, 0] and found[-1].tolist() == [1, 1]


def test_every_class_that_is_there_has_both_curves() -> None:
    rng, labels = np.random.default_rng(1), ["a", "b", "c", "absent"]
    p = rng.dirichlet(np.ones(4), size=30)
    table = pd.DataFrame({f"p_{k + 1}": p[:, k] for k in range(4)}).assign(
        probability=p[:, 0], label=[labels[k // 2 % 3] for k in range(30)], patient=[f"p{k // 2}" for k in range(30)]
    )
    rows = pd.DataFrame(curve_rows(table.assign(split="test"), labels))
    assert set(zip(rows["class"], rows["curve"], strict=True)) == {(c, k) for c in "abc" for k in (ROC, RELIABILITY)}
    of_bins = rows[(rows["class"] == "b") & (rows["curve"] == RELIABILITY)]
    assert of_bins["n"].sum() == 30
    assert (of_bins["y"] * of_bins["n"]).sum() == pytest.approx(10)
