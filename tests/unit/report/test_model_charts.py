"""Charts of all models: their places, links and text alternatives."""

import re
from itertools import combinations

import numpy as np
import pytest

from lungsight.report.model_charts import (
    NUMBER_SIZE,
    attention_chart,
    maps_anchor,
    places_of,
    rises,
    slope_chart,
    spread,
)
from lungsight.report.results import RunResults
from lungsight.report.sections.overview_charts import attention, section
from lungsight.wording import with_interval
from tests.factories.results import changed


def test_places_are_home_before_and_after(results: RunResults) -> None:
    places = places_of(results)
    assert places[["stage", "cohort", "words"]].to_numpy().tolist() == [
        [1, "open", "where it was trained"],
        [1, "clinic", "before adaptation"],
        [2, "clinic", "after adaptation"],
    ]


def test_every_model_of_the_last_stage_links_to_its_maps(results: RunResults) -> None:
    svg = attention_chart(results)
    links = set(re.findall(r'xlink:href="#(maps-[^"]+)"', svg))
    assert "target=" not in svg  # a new tab would not move the page
    assert links == {maps_anchor(model) for model in results.summaries if model[1] == 2}


def test_without_overlays_no_point_links_to_maps(results: RunResults) -> None:
    nothing = {"overlays": {"pictures": []}, "by_confidence": {"pictures": []}}
    bare = changed(results, summaries={model: summary | nothing for model, summary in results.summaries.items()})
    assert "xlink:href" not in re.sub(r'xlink:href="#m[0-9a-f]+"', "", attention_chart(bare))
    assert "leads to its maps" not in attention(bare).caption and "leads to its maps" in attention(results).caption


def test_the_slope_chart_names_every_pipeline(results: RunResults) -> None:
    svg = slope_chart(results)
    assert all(results.display_name(name) in svg for name in results.metrics["pipeline"].unique())


@pytest.mark.parametrize(
    ("heights", "expected"),
    [([0.9, 0.5], [0.9, 0.5]), ([0.9, 0.9, 0.9], [0.9, 0.8, 0.7]), ([0.1, 0.05, 0.0], [0.2, 0.1, 0.0])],
)
def test_names_are_moved_apart(heights: list[float], expected: list[float]) -> None:
    assert spread(heights, 0.1) == pytest.approx(expected)


def test_numbers_of_points_at_one_place_are_stacked() -> None:
    places = np.array([[100, 50], [100, 50], [104, 51], [140, 50]], float)
    lifted = rises(places)
    assert lifted[0] == lifted[3] == 0
    heights = places[:3, 1] + lifted[:3]
    assert all(abs(first - second) >= NUMBER_SIZE for first, second in combinations(heights, 2))
    assert rises(np.array([[0, 4.5], [0, 0]])) == [0, 2 * NUMBER_SIZE]


def test_every_chart_has_its_numbers_as_text(results: RunResults, page: str) -> None:
    values = section(results)
    assert values is not None
    by_question = {chart.question.partition("?")[0]: chart for chart in values["charts"]}
    for _, row in results.metrics[results.metrics["unit"] == "patient"].iterrows():
        assert f"AUC {with_interval(row, 'roc_auc')}" in by_question["How well"].words
    assert all(chart.words and chart.caption and chart.table for chart in values["charts"])
    drawn = re.findall(r"<svg[^>]*>", page)
    described = re.findall(r"<svg[^>]*><title>[^<]+</title><desc>[^<]+</desc>", page)
    outlines = page.count('aria-hidden="true"><path class="lung"')
    assert len(described) == len(drawn) - outlines > 5
