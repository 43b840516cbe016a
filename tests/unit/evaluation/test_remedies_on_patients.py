"""The difference that a remedy makes, over patients and replicates (benchmarks/remedies_on_patients.py)."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.remedies_on_patients import difference
from lungsight.audit.trace_classifier import auc_of_ranks

PATIENTS = 60


def scores(*separations: float) -> pd.DataFrame:
    """Probabilities of a replicate for each separation, in standard deviations between the classes."""
    rng = np.random.default_rng(7)
    labels = np.where(np.arange(PATIENTS) % 2, "ill", "well")
    index = pd.MultiIndex.from_arrays([[f"p{n}" for n in range(PATIENTS)], labels], names=["patient", "label"])
    drawn = [rng.normal(size=PATIENTS) + separation * (labels == "ill") for separation in separations]
    return pd.DataFrame(np.transpose(drawn), index=index, columns=range(1, len(separations) + 1))


def test_a_pipeline_does_not_differ_from_itself():
    assert set(difference(scores(1, 1, 1), scores(1, 1, 1), "ill", 200).values()) == {0}


def test_auc_is_that_of_scikit_learn():
    drawn = scores(0, 1, 2).round(1)  # with ties
    truth = np.asarray(drawn.index.get_level_values("label") == "ill")
    assert auc_of_ranks(drawn.to_numpy(), truth[:, None]) == pytest.approx(
        [roc_auc_score(truth, drawn[n]) for n in drawn]
    )


def test_a_difference_is_that_of_the_mean_auc():
    found = difference(scores(9, 0, 9), scores(0, 0, 0), "ill", 400)
    assert found["difference"] == pytest.approx(1 / 3, abs=0.1) and found["least"] == 0
    assert 0.2 < found["low"] < found["difference"] < found["high"] < found["most"]


def test_patients_that_one_of_them_lacks_do_not_count():
    whole, plain = scores(9, 9, 9), scores(0, 0, 0)
    assert difference(whole.iloc[:30], plain, "ill", 50) == difference(whole.iloc[:30], plain.iloc[:30], "ill", 50)
