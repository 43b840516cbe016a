"""The section on replicates, its chart, and what it adds to the first screen, the cautions and the verdicts."""

import pandas as pd
import pytest

from lungsight.audit.replicate_table import ABOVE_RANDOM, RANK
from lungsight.report.answers import performance
from lungsight.report.cautions import cautions
from lungsight.report.rendering import render_part
from lungsight.report.replicate_cautions import first_places, maps_by_chance, unstable_ranking
from lungsight.report.results import RunResults
from lungsight.report.sections import leakage_inflation
from lungsight.report.sections.replicates import section
from lungsight.report.templates import section_template
from tests.factories.results import changed, made_results, texts

FIRST, SECOND = "whole-small_cnn-imagenet", "whole-small_cnn-scratch"


@pytest.fixture(scope="module")
def repeated(tmp_path_factory: pytest.TempPathFactory) -> RunResults:
    """Three replicates of two pipelines; the better one is worse in its second training."""
    return made_results(
        tmp_path_factory.mktemp("run"),
        {"open": "public", "clinic": "target"},
        pipelines={"frameworks": ["whole"], "backbones": ["small_cnn"], "weights": ["scratch", "imagenet"]},
        segmentation={"method": "classical"},
        training={"replicates": 3, "stand_in": {}},
        explain={"overlays": 0},
    )


def with_rows(results: RunResults, metric: str, **values: float) -> RunResults:
    """Replace numbers of one metric of all models."""
    table = results.replicates.copy()
    for name, value in values.items():
        table.loc[table["metric"] == metric, name] = value
    return changed(results, replicates=table)


def test_an_unstable_ranking_is_named_where_readers_look_first(repeated: RunResults) -> None:
    place = first_places(repeated)[-1]
    assert (place.stage, place.pipeline, place.worst, place.pipelines, place.keep) == (2, FIRST, 2, 2, 0)
    [sentence] = [found.text for found in unstable_ranking(repeated) if found.text.startswith("Stage 2")]
    assert "the ranking is not stable" in sentence and "has ranks 1 to 2 over 3 replicates" in sentence
    assert sentence in texts(cautions(repeated))
    assert "The ranking is not stable: with other seeds its rank is up to 2." in performance(repeated).more


def test_a_stable_ranking_is_said_to_be_stable(repeated: RunResults) -> None:
    table = repeated.replicates.copy()
    ranks = table["metric"] == RANK
    table.loc[ranks, "max"] = table.loc[ranks, "min"] = table.loc[ranks, "value"]
    stable = changed(repeated, replicates=table)
    assert unstable_ranking(stable) == [] and "not stable" not in performance(stable).more
    statements = section(stable)["statements"]
    assert statements[-1].tone == "good" and "is first in each of 3 replicates" in statements[-1].text


def test_maps_that_do_not_repeat_are_named(repeated: RunResults) -> None:
    assert maps_by_chance(repeated) == []
    found = texts(maps_by_chance(with_rows(repeated, ABOVE_RANDOM, value=-0.1, value_lo=-0.2, value_hi=0.1)))
    assert f"maps of {SECOND} and {FIRST}" in found and "What such a map shows is chance" in found


def test_the_section_shows_spread_beside_interval(repeated: RunResults) -> None:
    values = section(repeated)
    rows = repeated.replicates.query("stage == 2 and unit == 'patient' and cohort == 'clinic'").set_index("metric")
    row = rows.loc["roc_auc"].set_index("pipeline").loc[FIRST]
    [cells] = [each for each in values["performance"].rows if each[0].text == repeated.display_name(FIRST)][:1]
    assert cells[2].text == f"{row['value']:.2f}" and cells[2].note == f"{row['value_lo']:.2f}–{row['value_hi']:.2f}"
    assert cells[3].text == f"{row['mean']:.2f}" and cells[3].note == f"sd {row['sd']:.2f}"
    assert cells[4].text == f"{row['min']:.2f} to {row['max']:.2f}"
    assert (cells[5].text, cells[6].text, cells[6].tone) == ("1", "1 to 2", "warn")
    maps = values["maps"].rows[0]
    assert float(maps[2].text) > 0.9 and maps[4].note == "one backbone" and maps[7].tone == "good"
    html = render_part(section_template("replicates"), values)
    assert "range over replicates" in html and "trained 3 times, each time from another seed" in html
    assert "Other replicates may have trained" not in html


def test_a_run_without_replicates_has_no_section(results: RunResults) -> None:
    assert section(results) is None and first_places(results) == [] and maps_by_chance(results) == []


def test_verdicts_hold_the_repeatability_of_replicates_alone(repeated: RunResults, results: RunResults) -> None:
    above = repeated.replicates[repeated.replicates["metric"] == ABOVE_RANDOM].set_index(["pipeline", "stage"])
    verdicts = repeated.verdicts.set_index(["pipeline", "stage"])
    assert verdicts["repeatability"].to_dict() == above["value"].to_dict()
    assert "repeatability" not in results.verdicts


def leakage_repeats(splits: int, low: float) -> pd.DataFrame:
    row = {"pipeline": "p", "cohort": "clinic", "labels": "true", "metric": "inflation", "splits": splits}
    numbers = {"value": 0.2, "value_lo": 0.04, "value_hi": 0.37, "mean": 0.15, "sd": 0.1, "min": -0.02, "max": 0.3}
    return pd.DataFrame([{**row, **numbers, "mean_lo": low, "mean_hi": 0.3 if low == low else low}])


def test_repeats_of_the_leakage_experiment_say_both_intervals(results: RunResults) -> None:
    repeated = changed(results, leakage_repeats=leakage_repeats(5, 0.01))
    values = leakage_inflation.section(repeated)
    said = values["statements"][-1]
    assert said.tone == "warn"
    assert "over 5 splits and starts: leakage adds +0.15 on average (sd 0.10, −0.02 to +0.30)" in said.text
    assert (
        "over splits and starts is +0.01 to +0.30; that over the test patients of the first split is +0.04" in said.text
    )
    assert "leakage-repeats-table" in render_part(section_template("leakage_inflation"), values)
    few = leakage_inflation.section(changed(results, leakage_repeats=leakage_repeats(4, float("nan"))))
    assert "5 are needed; the interval above covers test patients alone" in few["statements"][-1].text
