"""Saliency metrics: properties that must hold for any map, and a second implementation of each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import jaccard_score, roc_auc_score

from lungsight.explain.resample import average_area, upsample_bilinear
from lungsight.explain.saliency_metrics import (
    ADDITIONAL,
    IOU_SWEEP,
    METRICS,
    TOP_SHARES,
    enrichment,
    hits_among_top,
    iou,
    localisation_auc,
    lung_fraction,
    lung_mass,
    lung_mass_reference,
    measure,
    pointing_game,
    rank_accuracy,
    top_share,
)

SIZE = 12
# Few levels, so that pixels tie as they do in the zeros of a real map.
maps = arrays(np.float32, (1, SIZE, SIZE), elements=st.integers(0, 8).map(float)).filter(lambda a: a.max() > 0)
masks = arrays(bool, (1, SIZE, SIZE)).filter(lambda a: a.any() and not a.all())


def all_metrics(heat: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    values = {
        "lung_mass": lung_mass(heat, mask),
        "enrichment": enrichment(heat, mask),
        "rank_accuracy": rank_accuracy(heat, mask),
        "iou": iou(heat, mask, 0.5),
        "auc": localisation_auc(heat, mask),
        "pointing": pointing_game(heat, mask),
    }
    values |= {name: iou(heat, mask, level) for name, level in IOU_SWEEP.items()}
    values |= {name: top_share(heat, mask, share) for name, share in TOP_SHARES.items()}
    return {name: float(value[0]) for name, value in values.items()}


def second_implementation(heat: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Compute the same numbers with loops, sets and scikit-learn; heat must have no ties."""
    a, m = heat.ravel().tolist(), mask.ravel().tolist()
    inside = sum(value for value, lung in zip(a, m, strict=True) if lung)
    area, order = sum(m), sorted(range(len(a)), key=lambda k: -a[k])
    lung_pixels = {k for k, lung in enumerate(m) if lung}
    hot = np.array(a) >= 0.5 * max(a)
    values = {
        "lung_mass": inside / sum(a),
        "enrichment": inside / sum(a) * len(a) / area,
        "rank_accuracy": len(lung_pixels & set(order[:area])) / area,
        "iou": jaccard_score(m, hot),
        "auc": roc_auc_score(m, a),
        "pointing": float(m[a.index(max(a))]),
    }
    for name, level in IOU_SWEEP.items():
        values[name] = jaccard_score(m, [value >= level * max(a) for value in a])
    for name, share in TOP_SHARES.items():
        top = order[: max(1, round(share * len(a)))]
        values[name] = len(lung_pixels & set(top)) / len(top)
    return values


@pytest.mark.parametrize("seed", range(5))
def test_every_metric_agrees_with_a_second_implementation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    heat, mask = rng.random((1, 40, 40)), rng.random((1, 40, 40)) < 0.3
    expected = second_implementation(heat, mask)
    assert all_metrics(heat, mask) == pytest.approx(expected, rel=1e-9)


@given(maps, masks)
@settings(max_examples=60, deadline=None)
def test_auc_equals_scikit_learn_with_ties(heat: np.ndarray, mask: np.ndarray) -> None:
    assert localisation_auc(heat, mask)[0] == pytest.approx(roc_auc_score(mask.ravel(), heat.ravel()))


@given(maps, masks, st.integers(1, SIZE * SIZE))
@settings(max_examples=30, deadline=None)
def test_hits_with_ties_are_the_mean_over_random_orders(heat: np.ndarray, mask: np.ndarray, count: int) -> None:
    rng = np.random.default_rng(0)
    flat, inside = heat.ravel(), mask.ravel()
    shuffled = np.array([np.lexsort((rng.random(flat.size), -flat))[:count] for _ in range(400)])
    hits = inside[shuffled].sum(axis=1)
    error = 5 * hits.std() / 20 + 1e-9
    assert hits_among_top(heat, mask, np.array([count]))[0] == pytest.approx(hits.mean(), abs=error)


@given(masks, st.floats(0.1, 100))
@settings(max_examples=40, deadline=None)
def test_a_uniform_map_scores_chance(mask: np.ndarray, level: float) -> None:
    metrics = all_metrics(np.full(mask.shape, level), mask)
    share = float(lung_fraction(mask)[0])
    assert metrics["enrichment"] == pytest.approx(1)
    assert metrics["lung_mass"] == pytest.approx(share)
    assert metrics["rank_accuracy"] == pytest.approx(share)
    assert metrics["top10"] == pytest.approx(share)
    assert metrics["auc"] == pytest.approx(0.5)
    assert metrics["pointing"] == pytest.approx(share)
    # All of the image is hot at any level.
    assert [metrics[name] for name in IOU_SWEEP] == pytest.approx([share] * len(IOU_SWEEP))


@given(maps, masks)
@settings(max_examples=40, deadline=None)
def test_a_map_inside_the_lung_scores_one(heat: np.ndarray, mask: np.ndarray) -> None:
    inside = (heat + 1) * mask
    metrics = all_metrics(inside, mask)
    assert metrics["lung_mass"] == pytest.approx(1)
    assert metrics["rank_accuracy"] == pytest.approx(1)
    assert metrics["auc"] == pytest.approx(1)
    assert metrics["enrichment"] == pytest.approx(1 / lung_fraction(mask)[0])
    assert metrics["top1"] == metrics["pointing"] == 1


@given(maps, masks, st.integers(-20, 20))
@settings(max_examples=40, deadline=None)
def test_scale_does_not_matter(heat: np.ndarray, mask: np.ndarray, exponent: int) -> None:
    assert all_metrics(heat * np.float32(2.0**exponent), mask) == pytest.approx(all_metrics(heat, mask))


@given(maps, masks)
@settings(max_examples=60, deadline=None)
def test_more_heat_in_the_lung_never_lowers_a_metric(heat: np.ndarray, mask: np.ndarray) -> None:
    before, after = all_metrics(heat, mask), all_metrics(heat + 3 * mask, mask)
    for name in set(before) - {"iou", *IOU_SWEEP}:
        assert after[name] >= before[name] - 1e-9, name


def test_iou_rises_with_the_overlap() -> None:
    mask = np.zeros((1, 10, 10), dtype=bool)
    mask[:, :, :5] = True
    shifted = [np.roll(mask, step, axis=2).astype(float) for step in range(5)]
    np.testing.assert_allclose([iou(heat, mask, 0.5)[0] for heat in shifted], [1, 4 / 6, 3 / 7, 2 / 8, 1 / 9])


@given(maps, masks)
@settings(max_examples=60, deadline=None)
def test_a_larger_mask_never_holds_less_of_the_map(heat: np.ndarray, mask: np.ndarray) -> None:
    larger = mask | np.roll(mask, 1, axis=2)
    for metric in (lung_mass, pointing_game, lambda *both: top_share(*both, 0.1)):
        assert metric(heat, larger)[0] >= metric(heat, mask)[0] - 1e-9


def test_reference_is_one_at_full_resolution_and_less_on_a_coarse_grid() -> None:
    mask = np.zeros((1, 64, 64), dtype=bool)
    mask[:, 20:45, 10:30] = True
    np.testing.assert_allclose(lung_mass_reference(mask, (64, 64)), 1)
    coarse = lung_mass_reference(mask, (4, 4))[0]
    blurred = upsample_bilinear(average_area(mask, (4, 4)), (64, 64))[0]
    assert coarse == pytest.approx(blurred[mask[0]].sum() / blurred.sum())
    assert 0.3 < coarse < 0.9


def test_an_empty_map_and_an_empty_mask_give_nan() -> None:
    heat, mask = np.ones((2, 4, 4)), np.ones((2, 64, 64), dtype=bool)
    mask[:, :32] = False
    heat[0] = 0
    mask[1] = False
    found = measure(heat, mask, iou_level=0.5)
    for name in (*METRICS, *ADDITIONAL):
        assert np.isnan(found[name]).all(), name
    np.testing.assert_allclose(found["lung_fraction"], [0.5, 0])


def test_auc_is_nan_where_all_is_lung() -> None:
    assert np.isnan(localisation_auc(np.ones((1, 4, 4)), np.ones((1, 4, 4), dtype=bool)))
