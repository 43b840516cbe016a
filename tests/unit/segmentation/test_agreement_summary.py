"""Agreement by subset, written out."""

import numpy as np
import pandas as pd

from lungsight.segmentation.agreement_summary import agreement_by_subset

METRICS = pd.DataFrame(
    {
        "split": ["train", "train", "train", "test"],
        "dice": [0.98, 0.96, 0.91, np.nan],
        "surface_distance_95": [2.0, 4.0, 3.0, np.nan],
        "volume_error": [0.1, -0.3, -0.2, np.nan],
        "reason": ["", "", "", "no lung in either mask"],
    }
)


def test_agreement_is_summarised_by_subset() -> None:
    train, val, test = agreement_by_subset(METRICS)
    assert (train.subset, train.n, train.median, train.lowest) == ("train", 3, 0.96, 0.91)
    np.testing.assert_allclose([train.mean, train.distance, train.volume_error], [0.95, 3.0, 0.2])
    assert (val.n, test.n, train.without_dice, test.without_dice) == (0, 1, "", "no lung in either mask (1)")
    assert np.isnan([val.mean, val.lowest, test.median, test.distance, test.volume_error]).all()
