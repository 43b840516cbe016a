"""Rows of report/replicates.tsv: spread and ranks by hand, and maps whose alikeness is known."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from lungsight.audit.replicate_maps import ReplicateMaps, load_replicate_maps, save_replicate_maps, without_slices
from lungsight.audit.replicate_table import (
    ABOVE_RANDOM,
    chance_level,
    map_rows,
    other_backbones,
    performance_rows,
    rank_rows,
    rows_of_same_slices,
)
from lungsight.audit.rows import Estimate
from lungsight.audit.tables import repeatability_of
from lungsight.explain.map_stability import comparable
from tests.factories.replicates import SLICES as N
from tests.factories.replicates import made_maps


def by_metric(rows: list[dict]) -> pd.DataFrame:
    return pd.DataFrame(rows).set_index("metric")


def test_the_spread_of_a_metric_stands_beside_the_interval_of_the_runs_own_model() -> None:
    place = {"cohort": "clinic", "unit": "patient", "n": 20, "tp": 3}
    evaluated = [
        [{**place, "roc_auc": auc, "roc_auc_lo": auc - 0.1, "roc_auc_hi": auc + 0.1}] for auc in (0.7, 0.9, 0.8)
    ]
    [row] = performance_rows(evaluated)
    assert (row["metric"], row["replicates"], row["n"], row["cohort"]) == ("roc_auc", 3, 20, "clinic")
    assert [row[f"value{end}"] for end in ("", "_lo", "_hi")] == pytest.approx([0.7, 0.6, 0.8])
    assert [row[name] for name in ("mean", "sd", "min", "max")] == pytest.approx([0.8, 0.1, 0.7, 0.9])


def test_pipelines_are_ranked_within_each_replicate() -> None:
    rows = rank_rows({"a": [0.9, 0.6, 0.8], "b": [0.8, 0.7, 0.7], "c": [0.1, 0.2, 0.3]}, "clinic")
    assert {name: (row["value"], row["min"], row["max"]) for name, row in rows.items()} == {
        **{"a": (1, 1, 2), "b": (2, 1, 2), "c": (3, 3, 3)}
    }
    assert rows["a"]["mean"] == pytest.approx(4 / 3) and rows["c"]["sd"] == 0


def test_similarity_is_that_of_scipy_and_scikit_image_over_all_pairs() -> None:
    maps = made_maps(noise=0.5)
    rows = by_metric(map_rows(maps, [], resamples=200, seed=1))
    large = [comparable(each) for each in maps.trained]
    for name, compare in (
        ("spearman", lambda a, b: spearmanr(a.ravel(), b.ravel()).statistic),
        ("ssim", lambda a, b: structural_similarity(a, b, data_range=1.0)),
    ):
        pairs = [np.mean([compare(*both) for both in zip(a, b, strict=True)]) for a, b in combinations(large, 2)]
        row = rows.loc[f"repeatability_{name}"]
        assert (row["pairs"], row["n"], row["replicates"]) == (3, N, 3)
        assert row["value"] == pytest.approx(np.mean(pairs)) and row["mean"] == pytest.approx(np.mean(pairs))
        assert row["sd"] == pytest.approx(np.std(pairs, ddof=1))
        assert (row["min"], row["max"]) == pytest.approx((min(pairs), max(pairs)))
        assert row["value_lo"] < row["value"] < row["value_hi"]


def test_baselines_and_lung_mass_are_what_their_maps_say() -> None:
    maps = made_maps(noise=0.5)
    rows = by_metric(map_rows(maps, [], resamples=50, seed=1))
    for name in ("random_networks", "random_map"):
        assert abs(rows.loc[f"{name}_spearman", "value"]) < 0.15
        assert rows.loc[f"{name}_spearman", "pairs"] == 10
    assert rows.loc["average_lung_spearman", "pairs"] == 3
    # The average of equal lungs is the lung: all of it inside, but for the rim that the grid blurs.
    assert rows.loc["average_lung_lung_mass", "value"] > 0.9
    assert rows.loc["random_map_enrichment", "value"] == pytest.approx(1, abs=0.1)
    mass = rows.loc["lung_mass"]
    assert mass["min"] <= mass["value"] <= mass["max"] and mass["sd"] < 0.02
    assert rows.loc["random_networks_lung_mass", "sd"] > 0


def test_maps_that_repeat_are_told_from_maps_that_do_not() -> None:
    for noise, repeats in ((0.3, True), (1e3, False)):
        rows = map_rows(made_maps(noise), [], resamples=200, seed=1)
        assert repeatability_of(pd.DataFrame(rows)).above(0) is repeats
        assert by_metric(rows).loc["repeatability_spearman", "value"] > 0.9 or not repeats
    assert np.isnan(repeatability_of(pd.DataFrame({"metric": [], "value": []})).value)


def test_chance_is_what_as_many_random_networks_exceed_once_in_twenty_times() -> None:
    values = np.random.default_rng(4).normal(0, 0.3, 15)  # of the pairs of six networks
    random = np.repeat(values[:, None], 2, axis=1)
    assert chance_level(random, 6, 2) == pytest.approx(np.quantile(values, 0.95))
    of_pair = dict(zip(combinations(range(6), 2), values, strict=True))
    triples = [np.mean([of_pair[pair] for pair in combinations(each, 2)]) for each in combinations(range(6), 3)]
    assert chance_level(random, 6, 3) == pytest.approx(np.quantile(triples, 0.95))
    assert chance_level(random, 6, 3) < chance_level(random, 6, 2)
    assert chance_level(random, 6, 9) == pytest.approx(values.mean())
    assert np.isnan(chance_level(np.full((15, 2), np.nan), 6, 3))


def test_of_many_groups_of_random_networks_a_part_is_drawn() -> None:
    values = np.random.default_rng(5).normal(0, 0.3, 120)
    of_pair = dict(zip(combinations(range(16), 2), values, strict=True))
    groups = [np.mean([of_pair[pair] for pair in combinations(each, 2)]) for each in combinations(range(16), 5)]
    assert len(groups) == 4368
    assert chance_level(values[:, None], 16, 5) == pytest.approx(np.quantile(groups, 0.95), abs=0.02)


def test_reproducibility_compares_the_same_replicate_on_slices_that_both_have() -> None:
    own, other = made_maps(0.1, seed=1), made_maps(0.1, seed=2)
    rows = by_metric(map_rows(own, [other], resamples=50, seed=1))
    row = rows.loc["reproducibility_spearman"]
    assert (row["pairs"], row["n"]) == (3, N) and row["value"] > 0.9
    unlike = by_metric(map_rows(own, [made_maps(0.1, base=8)], resamples=50, seed=1))
    assert unlike.loc["reproducibility_spearman", "value"] < 0.3
    fewer = other.take(np.arange(4, N)[::-1])
    np.testing.assert_array_equal(rows_of_same_slices(own, fewer), [np.arange(4, N), np.arange(N - 4)[::-1]])
    assert by_metric(map_rows(own, [fewer], resamples=50, seed=1)).loc["reproducibility_ssim", "n"] == N - 4
    elsewhere = ReplicateMaps(other.slices, other.patients, ~other.lung, other.trained, other.random)
    assert "reproducibility_ssim" not in by_metric(map_rows(own, [elsewhere], resamples=50, seed=1)).index


def test_other_backbones_have_the_same_view_and_weights() -> None:
    names = [f"{view}-{net}-{start}" for view in ("whole", "segmented") for net in "ab" for start in ("x", "y")]
    assert other_backbones("whole-a-x", names) == ["whole-b-x"]


def test_maps_are_read_as_they_were_written(tmp_path) -> None:
    maps = made_maps(0.5)
    save_replicate_maps(tmp_path / "maps.npz", maps)
    found = load_replicate_maps(tmp_path / "maps.npz")
    for name in vars(maps):
        np.testing.assert_array_equal(getattr(found, name), getattr(maps, name))
    save_replicate_maps(tmp_path / "none.npz", without_slices(3))
    assert map_rows(load_replicate_maps(tmp_path / "none.npz"), [maps], resamples=10, seed=1) == []


def test_an_empty_map_is_compared_with_nothing() -> None:
    maps = made_maps(0.5)
    maps.trained[0, 0] = 0
    rows = by_metric(map_rows(maps, [], resamples=50, seed=1))
    # The other two replicates still make a pair of this slice.
    assert rows.loc["repeatability_spearman", "n"] == N
    maps.trained[:, 0] = 0
    rows = map_rows(maps, [], resamples=50, seed=1)
    assert by_metric(rows).loc["repeatability_spearman", "n"] == N - 1
    assert isinstance(repeatability_of(pd.DataFrame(rows)), Estimate) and ABOVE_RANDOM in by_metric(rows).index
