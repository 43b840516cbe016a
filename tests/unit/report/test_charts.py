"""The forest plot."""

import numpy as np

from lungsight.report import charts


def test_charts_are_the_same_twice_and_mark_the_side_of_chance() -> None:
    rows = [charts.ForestRow("a", 0.9, 0.8, 1.0), charts.ForestRow("b", np.nan, np.nan, np.nan)]
    first, second = (charts.forest_plot([("panel", rows)], 0.5, "AUC", (0, 1)) for _ in range(2))
    assert first == second
    assert first.startswith("<svg") and "no value" in first and charts.BLUE in first
    assert charts.ORANGE in charts.forest_plot([("panel", [charts.ForestRow("a", 0.2, 0.1, 0.3)])], 0.5, "AUC", None)
