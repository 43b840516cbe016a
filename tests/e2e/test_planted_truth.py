"""Test the audit on models whose truth is known: phantoms with lesions, with a mark, with nothing but a mark.

The verdict's rules were chosen on seeds 1 to 6. The seeds here played no part in that.
"""

from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from scipy.stats import spearmanr

from benchmarks.lesion_maps import AGAIN, SHUFFLED, TRUE, measured
from benchmarks.planted_truth import SETTINGS, examine_scenario
from benchmarks.replicates import judged
from benchmarks.spoiled_masks import examine_spoiled
from lungsight.demo.planted import PLANTED_SCENARIOS

STRENGTHS = {0.0: "mark 0.0", 0.5: "mark 0.5", 0.9: "mark 0.9", 1.0: "mark 1.0"}
SMALL = replace(SETTINGS, sample=8, draws=1, steps=4)


def test_a_planted_mark_is_found_its_strength_ranked_and_lesions_are_not_accused() -> None:
    found = {
        name: examine_scenario(name, seed=31, settings=SMALL) for name in ("lesions", *STRENGTHS.values(), "mark alone")
    }
    assert found["lesions"].evidence.auc.above(0.5)
    assert found["lesions"].verdict.conclusion == "lung"
    assert found["mark 0.0"].verdict.conclusion == "lung"
    assert found["mark 1.0"].verdict.conclusion == found["mark alone"].verdict.conclusion == "elsewhere"
    swaps = [found[name].evidence.swap.value for name in STRENGTHS.values()]
    assert spearmanr(list(STRENGTHS), swaps).statistic >= 0.9


def test_verdicts_stay_where_masks_are_spoiled_and_are_withheld_where_one_class_loses_them() -> None:
    """Of 30 % of the slices half a lung or the trachea is left: quality control rejects these masks."""
    for scenario, conclusion in (("lesions", "lung"), ("mark 1.0", "elsewhere")):
        found = examine_spoiled(scenario, 31, "random", 0.3, SMALL, both=False)
        assert found.rejected == 1
        assert found.with_qc.verdict.conclusion == conclusion
        assert found.with_qc.evidence.sample.lost >= 36
        assert "left out" in found.with_qc.verdict.sentence
    lost = examine_spoiled("lesions", 31, "positive", 0.6, SMALL, both=False)
    assert lost.with_qc.verdict.conclusion == "withheld"


def test_maps_are_measured_against_lesions() -> None:
    (found,) = measured(seed=31, networks=(TRUE,)).itertuples()
    assert found.slices >= 30
    assert found.enrichment > 1.5 and found.auc > 0.7


@pytest.mark.long
def test_maps_that_no_other_seed_finds_say_nothing() -> None:
    """The same model, with replicates that learned the same labels and with replicates that learned random ones."""
    (same, _), (own, sentence) = judged("lesions", 304)
    assert same["above_lo"] > 0 and same["rule"] != "maps not repeatable" and same["verdict"] == same["before"]
    assert own["above_lo"] <= 0 and (own["verdict"], own["rule"]) == ("unknown", "maps not repeatable")
    assert "say nothing about where the model looks" in sentence.sentence


@pytest.mark.long
def test_lesions_are_marked_only_where_labels_taught_it() -> None:
    """Test label randomisation on means over ten networks, since a single network varies by chance."""
    found = pd.concat([measured(seed) for seed in range(101, 111)]).groupby("network").mean()
    for network in (TRUE, AGAIN):
        assert found.loc[network, "enrichment"] > 2 > 1.6 > found.loc[SHUFFLED, "enrichment"]
        assert found.loc[network, "auc"] > 0.75 > 0.6 > found.loc[SHUFFLED, "auc"]
    assert found.loc[AGAIN, "rank_correlation"] > 0.5 > 0.2 > found.loc[SHUFFLED, "rank_correlation"]


@pytest.mark.long
def test_rates_over_twenty_models() -> None:
    """Allow 1 false alarm in 20, require 19 catches in 20, and rank the marks' strengths over five seeds."""
    expected = {
        **{"lesions": "lung", "mark 0.0": "lung", "segmented lesions": "lung", "mark in the lung": "lung"},
        **{
            "mark 1.0": "elsewhere",
            "mark alone": "elsewhere",
            "scanner": "elsewhere",
            "segmented outline": "elsewhere",
        },
    }
    assert set(expected) <= set(PLANTED_SCENARIOS)
    conclusions = {
        scenario: Counter(examine_scenario(scenario, seed).verdict.conclusion for seed in range(101, 121))
        for scenario in expected
    }
    for scenario, conclusion in expected.items():
        assert conclusions[scenario][conclusion] >= 19, (scenario, conclusions[scenario])
        if conclusion == "lung":
            assert conclusions[scenario]["elsewhere"] <= 1, (scenario, conclusions[scenario])
    pairs = [
        (strength, examine_scenario(name, seed, SMALL).evidence.swap.value)
        for seed in range(101, 106)
        for strength, name in STRENGTHS.items()
    ]
    assert spearmanr(*zip(*pairs, strict=True)).statistic >= 0.9
