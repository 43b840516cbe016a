"""The difference that a remedy makes, over patients and replicates (benchmarks/remedies_on_patients.py)."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.remedies_on_patients import difference

PATIENTS = 60


def scores(*separations: float) -> pd.DataFrame:
    """Probabilities of a replicate for each separation, in standard deviations between the classes."""
    rng = np.random.default_rng(7)
    labels = np.where(np.arange(PATIENTS) % 2, "ill", "well")
    index = pd.MultiIndex.from_arrays([[f"p{n}" for n in range(PATIENTS)], labels], names=["patient", "label"])
    drawn = [rng.normal(size=PATIENTS) + separation * (labels == "ill") for separation in separations]
    return pd.DataFrame(np.transpose(drawn), index=index, columns=range(1, len(separations) + 1))


def test_a_pipeline_does_not_differ_from_itself():
    assert difference(scores(1, 1, 1), scores(1, 1, 1), "ill", 200) == (0, 0, 0)


def test_a_difference_is_that_of_the_mean_auc():
    value, low, high = difference(scores(9, 9, 9), scores(0, 0, 0), "ill", 400)
    assert value == pytest.approx(0.5, abs=0.12) and 0.2 < low < value < high < 0.8


def test_replicates_that_disagree_widen_the_interval():
    alike, apart = (difference(scores(*each), scores(0, 0, 0), "ill", 400) for each in ((1, 1, 1), (0, 1, 9)))
    assert apart[2] - apart[1] > 1.3 * (alike[2] - alike[1])


def test_patients_that_one_of_them_lacks_do_not_count():
    whole, plain = scores(9, 9, 9), scores(0, 0, 0)
    assert difference(whole.iloc[:30], plain, "ill", 50) == difference(whole.iloc[:30], plain.iloc[:30], "ill", 50)
