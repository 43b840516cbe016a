"""Maps against lesions: values by hand, and no value without a lesion mask."""

import numpy as np
import pandas as pd
import pytest

from lungsight.explain.lesions import FRACTION, MEASURED, Lesions, measure_on_lesions, summarise_lesions
from lungsight.explain.saliency_metrics import IN_LUNG, ON_LESIONS, enrichment_within, measure

SIZE = 16


def box(rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), bool)
    mask[rows, columns] = True
    return mask


LUNG = box(slice(4, 12), slice(None))  # half of the image
LESION = box(slice(4, 8), slice(0, 8))  # a quarter of the lung


def measured(
    maps: np.ndarray, has_mask: bool = True, lesion: np.ndarray = LESION, lung: np.ndarray = LUNG
) -> pd.Series:
    lesions = Lesions(lesion[None], np.array([has_mask]))
    columns = measure_on_lesions(maps[None].astype(np.float32), lung[None], lesions, np.array([True]), 0.5)
    return pd.DataFrame(columns).iloc[0]


def test_columns_follow_those_about_the_lung() -> None:
    assert list(ON_LESIONS.values())[:4] == [
        *("lesion_fraction", "lesion_mass", "lesion_mass_reference", "lesion_enrichment"),
    ]
    assert {"lesion_pointing", "lesion_auc", "lesion_iou", "lesion_top10"} < set(ON_LESIONS.values())


def test_a_map_of_the_lesion_lies_on_it() -> None:
    row = measured(LESION.astype(float))
    assert row[FRACTION] == 1 / 8
    assert (row["lesion_mass"], row["lesion_mass_reference"], row["lesion_pointing"]) == (1, 1, 1)
    assert (row["lesion_enrichment"], row[IN_LUNG], row["lesion_iou"], row["lesion_auc"]) == (8, 4, 1, 1)


def test_a_map_without_preference_is_chance() -> None:
    row = measured(np.ones((4, 4)))
    assert row[["lesion_enrichment", IN_LUNG]].tolist() == [1, 1]
    assert row["lesion_mass"] == row["lesion_pointing"] == 1 / 8


def test_a_map_of_the_lung_prefers_lesions_to_the_image_but_not_to_the_lung() -> None:
    row = measured(LUNG.astype(float))
    assert (row["lesion_mass"], row["lesion_enrichment"], row[IN_LUNG]) == (0.25, 2, 1)


def test_lesion_pixels_outside_the_lung_mask_are_added_to_the_lung() -> None:
    row = measured(np.ones((SIZE, SIZE)) * LUNG, lung=LUNG & ~LESION)
    assert row[IN_LUNG] == 1


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_those_with_the_lesion_in_place_of_the_lung(seed: int) -> None:
    rng = np.random.default_rng(seed)
    maps, masks = rng.random((3, 4, 4), np.float32), rng.random((3, SIZE, SIZE)) > 0.8
    lesions = Lesions(masks, np.ones(3, bool))
    found = measure_on_lesions(maps, LUNG[None].repeat(3, 0), lesions, np.ones(3, bool), 0.5)
    alone = measure(maps, masks, 0.5)
    for name, column in ON_LESIONS.items():
        np.testing.assert_array_equal(found[column], alone[name])
    large, region = np.kron(maps, np.ones((4, 4))), LUNG | masks
    share = (large * masks * region).sum((1, 2)) / (large * region).sum((1, 2))
    chance = (masks & region).sum((1, 2)) / region.sum((1, 2))
    np.testing.assert_allclose(enrichment_within(large, masks, region), share / chance)


def test_no_mask_differs_from_an_empty_mask() -> None:
    no_mask, empty = measured(np.ones((4, 4)), has_mask=False), measured(np.ones((4, 4)), lesion=LESION & False)
    assert np.isnan(no_mask[FRACTION]) and empty[FRACTION] == 0
    for row in (no_mask, empty):
        assert row[list(MEASURED)].isna().all()


def test_a_map_without_metrics_has_no_lesion_metrics() -> None:
    maps = np.ones((2, 4, 4), np.float32)
    maps[1] = np.nan
    lesions = Lesions(LESION[None].repeat(2, 0), np.ones(2, bool))
    found = pd.DataFrame(
        measure_on_lesions(maps, LUNG[None].repeat(2, 0), lesions, np.array([True, False]), iou_level=0.5)
    )
    assert found[FRACTION].tolist() == [1 / 8, 1 / 8]
    assert found.loc[0, list(MEASURED)].notna().all() and found.loc[1, list(MEASURED)].isna().all()


def test_a_map_that_is_zero_in_the_lung_has_no_enrichment_there() -> None:
    assert np.isnan(measured(box(slice(0, 2), slice(None)).astype(float))[IN_LUNG])


def test_the_summary_is_over_slices_that_show_a_lesion() -> None:
    table = pd.DataFrame(
        {
            **{"patient": list("aabbc"), "outcome": ["TP", "TP", "TP", "FN", "TN"], "empty": 0, "reason": ""},
            **{FRACTION: [0.1, 0.3, 0.2, 0.2, np.nan], "lesion_enrichment": [1.0, 3.0, 5.0, 7.0, np.nan]},
        }
    )
    table.loc[3, FRACTION] = 0.0
    summary = summarise_lesions(table, resamples=100, seed=1)
    assert summary["known"] == 4
    overall, positive = summary["outcomes"]
    assert (overall["outcome"], overall["n"], overall["n_patients"]) == ("all", 3, 2)
    assert overall["lesion_enrichment"] == pytest.approx(3) and overall[FRACTION] == pytest.approx(0.2)
    assert (overall["lesion_enrichment_lo"], overall["lesion_enrichment_hi"]) == (2, 5)
    assert (positive["outcome"], positive["n"]) == ("TP", 3)


def test_without_lesion_masks_the_summary_is_empty() -> None:
    table = pd.DataFrame({"patient": ["a"], "outcome": ["TP"], "empty": [0], "reason": [""], FRACTION: [np.nan]})
    assert summarise_lesions(table, 100, 1) == {"known": 0, "outcomes": []}
    assert summarise_lesions(table.drop(columns=FRACTION), 100, 1) == {"known": 0, "outcomes": []}
