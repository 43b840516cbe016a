"""Components of masks against a flood fill, and masks grown and shrunk against scipy."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.segmentation import flood

from lungsight.components import dilated, eroded, largest_component, opened


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.6, 1.0])
def test_the_largest_component_is_that_of_a_flood_fill(share: float) -> None:
    mask = np.random.default_rng(1).random((40, 50)) < share
    found = largest_component(mask)
    filled = [flood(mask, tuple(seed), connectivity=1) for seed in np.argwhere(mask)[::7]]
    assert found.dtype == bool and not found[~mask].any()
    assert found.sum() == max((part.sum() for part in filled), default=0)


def test_corners_join_nothing_and_of_equals_the_first_is_taken() -> None:
    assert largest_component(np.eye(3, dtype=bool)).tolist() == [[True, False, False], [False] * 3, [False] * 3]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8, 0.97, 1.0])
@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("shape", [(40, 50), (3, 60), (1, 1)])
def test_masks_grow_and_shrink_as_by_scipy(share: float, times: int, shape: tuple[int, int]) -> None:
    mask = np.random.default_rng(2).random(shape) < share
    for outside in (False, True):
        shrunk = ndimage.binary_erosion(mask, iterations=times, border_value=outside)
        assert np.array_equal(eroded(mask, times, outside), shrunk)
    assert np.array_equal(dilated(mask, times), ndimage.binary_dilation(mask, iterations=times))
    assert np.array_equal(opened(mask, times), ndimage.binary_opening(mask, iterations=times))
    assert eroded(mask).dtype == bool and not np.shares_memory(eroded(mask), mask)
