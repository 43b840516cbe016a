"""The largest component of a mask, against a flood fill."""

import numpy as np
import pytest
from skimage.segmentation import flood

from lungsight.components import largest_component


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.6, 1.0])
def test_the_largest_component_is_that_of_a_flood_fill(share: float) -> None:
    mask = np.random.default_rng(1).random((40, 50)) < share
    found = largest_component(mask)
    filled = [flood(mask, tuple(seed), connectivity=1) for seed in np.argwhere(mask)[::7]]
    assert found.dtype == bool and not found[~mask].any()
    assert found.sum() == max((part.sum() for part in filled), default=0)


def test_corners_join_nothing_and_of_equals_the_first_is_taken() -> None:
    assert largest_component(np.eye(3, dtype=bool)).tolist() == [[True, False, False], [False] * 3, [False] * 3]
