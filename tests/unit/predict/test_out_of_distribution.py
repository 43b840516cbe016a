"""Scans unlike those of the training are flagged with the value that differs."""

import json

import numpy as np
import pandas as pd

from lungsight.predict.out_of_distribution import (
    TrainingDistribution,
    fit_training_distribution,
    mahalanobis,
    out_of_distribution_features,
    out_of_range_values,
)

METADATA = {
    **{"spacing_row": 0.7, "spacing_slice": 1.5, "slice_thickness": 1.5, "kvp": 120.0, "contrast": 0},
    **{"hu_p01": -1000.0, "hu_p50": -600.0, "hu_p99": 100.0},
}


def cases(**columns) -> pd.DataFrame:
    identity = {"row": 1, "case": "a" * 16, "patient": "b" * 16, "status": "ok", "reason": "", "n_slices": 9}
    return pd.DataFrame([identity | METADATA | columns])


def distribution(n: int = 400, d: int = 3) -> tuple[TrainingDistribution, np.random.Generator]:
    rng = np.random.default_rng(0)
    both = pd.concat([cases(), cases(spacing_slice=2.5, hu_p50=-500.0)])
    return fit_training_distribution(both, rng.normal(size=(n, d)), rng.normal(size=(n, d))), rng


def test_values_outside_the_training_range_are_named_with_their_unit():
    trained, _ = distribution()
    assert out_of_range_values(cases(spacing_slice=2.55).iloc[0], trained) == []
    (phrase,) = out_of_range_values(cases(spacing_slice=5.0).iloc[0], trained)
    assert phrase == "slice spacing 5 mm (trained on 1.5 to 2.5)"
    assert out_of_range_values(cases(contrast=1).iloc[0], trained) == ["with contrast agent (trained on the other)"]
    assert out_of_range_values(cases(spacing_slice=np.nan, contrast=np.nan).iloc[0], trained) == []


def test_mahalanobis_distance_is_scipys():
    from scipy.spatial.distance import mahalanobis as peer

    rng = np.random.default_rng(1)
    features, mean, root = rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=(4, 4))
    precision = root @ root.T
    np.testing.assert_allclose(mahalanobis(features, mean, precision), [peer(row, mean, precision) for row in features])


def test_features_far_from_the_training_are_out_of_distribution():
    trained, rng = distribution()
    assert out_of_distribution_features(rng.normal(size=(7, 3)), trained) == []
    (phrase,) = out_of_distribution_features(rng.normal(size=(7, 3)) + 8, trained)
    assert "99% of the validation slices" in phrase


def test_a_training_distribution_is_restored_from_its_files():
    trained, _ = distribution()
    restored = TrainingDistribution.of(json.loads(json.dumps(trained.to_json())), trained.arrays())
    far = cases(kvp=80.0).iloc[0]
    assert out_of_range_values(far, restored) == out_of_range_values(far, trained) != []
    assert restored.distance == trained.distance
