"""Charts of all models: how the AUC changes from place to place, and attention against it."""

from collections.abc import Sequence
from itertools import count
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.report.charts import AUC_LIMITS, BLUE, GREY, GRID, ORANGE, STYLE, as_svg, class_colours
from lungsight.report.results import Model, RunResults, last_stage, model_of
from lungsight.report.words import PAGE_WORDS
from lungsight.training.pipelines import ROLE_OF_STAGE
from lungsight.wording import with_interval

AUC_CHANCE, ENRICHMENT_CHANCE = 0.5, 1.0
POINTS_PER_INCH = 72
NUMBER_SIZE = 9  # points, of the number beside a point of the scatter plot
MARKERS = "osD^vP*X<>"
LINES = ("-", "--", "-.", ":")
# Tone of a verdict → marker, colour and fill of its model's point.
POINTS = {"good": ("o", BLUE, BLUE), "bad": ("v", ORANGE, ORANGE), "warn": ("s", GREY, "none")}


def maps_anchor(model: Model) -> str:
    """Name the place on the page where a model's maps are."""
    return f"maps-{model[0]}-stage{model[1]}"


def has_overlays(results: RunResults) -> bool:
    """Tell whether any model's maps are drawn: there are no places to link to where explain.overlays is 0."""
    return any(
        summary[chosen]["pictures"]
        for summary in results.summaries.values()
        for chosen in ("overlays", "by_confidence")
    )


def places_of(results: RunResults) -> pd.DataFrame:
    """List where models are tested: columns stage, cohort and words, in the order of the data.

    The cohort of stage 1, the target before and after adaptation, then external cohorts by the last stage.
    """
    rows = results.metrics[results.metrics["unit"] == "patient"].drop_duplicates(["stage", "cohort"])
    last, known = rows["stage"].max(), rows["cohort"].map(results.roles)
    home = rows["stage"].map(ROLE_OF_STAGE) == known
    parts = [
        (rows[home & (rows["stage"] == 1)], "where it was trained"),
        (rows[~home & (known == "target")], "before adaptation"),
        (rows[home & (rows["stage"] == 2)], "after adaptation"),
        (rows[(known == "external") & (rows["stage"] == last)], "external"),
    ]
    return pd.concat([part[["stage", "cohort"]].assign(words=words) for part, words in parts])


def slope_chart(results: RunResults) -> str:
    """Draw a line for each pipeline through its AUC by patient at each of `places_of`, with 95 % intervals."""
    places = places_of(results)
    by_place = results.metrics[results.metrics["unit"] == "patient"].set_index(["pipeline", "stage", "cohort"])
    pipelines = list(dict.fromkeys(results.metrics["pipeline"]))
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.3 + 1.1 * len(places), max(3.2, 1.2 + 0.24 * len(pipelines))))
        axes = figure.subplots()
        axes.axhline(AUC_CHANCE, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
        axes.grid(axis="y", color=GRID, linewidth=0.6)
        ends = []
        for number, pipeline in enumerate(pipelines):
            keys: list[tuple[str, int, str]] = [
                (pipeline, stage, cohort) for stage, cohort in zip(places["stage"], places["cohort"], strict=True)
            ]
            rows = by_place.reindex(pd.MultiIndex.from_tuples(keys))
            _draw_line(axes, rows, number, len(pipelines))
            shown = rows["roc_auc"].dropna()
            ends.append(shown.iloc[-1] if len(shown) else np.nan)
        _name_lines(axes, len(places) - 1, ends, [results.display_name(name) for name in pipelines])
        titles = [f"{row.cohort}\n{row.words}" for row in places.itertuples()]
        axes.set_xticks(range(len(places)), titles)
        axes.set(xlim=(-0.3, len(places) - 0.7), ylim=AUC_LIMITS, ylabel="AUC by patient, 95 % interval")
        return as_svg(figure)


def _draw_line(axes: Axes, rows: pd.DataFrame, number: int, count: int) -> None:
    colour = class_colours(len(MARKERS))[number % len(MARKERS)]
    # Side by side, so that intervals do not cover one another.
    across = np.arange(len(rows)) + 0.03 * (number - (count - 1) / 2)
    values, low, high = (rows[f"roc_auc{end}"].to_numpy(float) for end in ("", "_lo", "_hi"))
    axes.vlines(across, low, high, color=colour, linewidth=0.8, alpha=0.4)
    line, marker = LINES[number // len(MARKERS) % len(LINES)], MARKERS[number % len(MARKERS)]
    axes.plot(across, values, line, marker=marker, color=colour, linewidth=1.3, markersize=5)


def _name_lines(axes: Axes, right: float, ends: Sequence[float], names: Sequence[str]) -> None:
    """Write the names beside the ends of the lines, one below the other, with their markers."""
    shown = sorted(((end, number) for number, end in enumerate(ends) if not np.isnan(end)), reverse=True)
    gap = 0.06
    heights = spread([end for end, _ in shown], gap)
    for height, (_, number) in zip(heights, shown, strict=True):
        colour = class_colours(len(MARKERS))[number % len(MARKERS)]
        axes.plot(right + 0.24, height, MARKERS[number % len(MARKERS)], color=colour, markersize=5, clip_on=False)
        axes.text(right + 0.3, height, names[number], va="center", fontsize=8)


def spread(falling: Sequence[float], gap: float) -> list[float]:
    """Move falling heights apart until neighbours are at least `gap` apart, as little as that needs at the top."""
    placed: list[float] = []
    for height in falling:
        placed.append(min(height, placed[-1] - gap) if placed else height)
    # What was pushed below the bottom is lifted again, and lifts what is above it.
    for place in range(len(placed) - 1, -1, -1):
        lowest = placed[place + 1] + gap if place + 1 < len(placed) else 0.0
        placed[place] = max(placed[place], lowest)
    return placed


def attention_rows(results: RunResults) -> pd.DataFrame:
    """Join, for each model of the last stage, AUC by patient, enrichment of its maps, and verdict."""
    key = ["pipeline", "stage"]
    metrics = last_stage(results.metrics_on_training_cohort("patient"))
    maps = results.saliency[results.saliency["outcome"] == "all"]
    columns = [f"enrichment{end}" for end in ("", "_lo", "_hi")]
    return metrics.merge(maps[[*key, *columns]], on=key, how="left").merge(results.verdicts[[*key, "verdict"]], on=key)


def attention_chart(results: RunResults) -> str:
    """Draw the enrichment of every model of the last stage against its AUC; each point links to the model's maps."""
    rows, linked = attention_rows(results), has_overlays(results)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6.6, max(3.4, 0.9 + 0.22 * len(rows))))
        axes = figure.add_axes((0.1, 0.14, 0.5, 0.8))
        axes.axvline(AUC_CHANCE, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
        axes.axhline(ENRICHMENT_CHANCE, color=GREY, linestyle=(0, (4, 3)), linewidth=1)
        axes.set(xlim=AUC_LIMITS, xlabel="AUC by patient", ylabel="enrichment of the maps; 1 is no preference")
        urls = [f"#{maps_anchor(model_of(row))}" if linked else None for _, row in rows.iterrows()]
        for url, (_, row) in zip(urls, rows.iterrows(), strict=True):
            _draw_point(axes, row, url)
        _number_points(axes, rows[["roc_auc", "enrichment"]].to_numpy(float), urls)
        for number, (url, (_, row)) in enumerate(zip(urls, rows.iterrows(), strict=True), start=1):
            height = 0.93 - 0.8 * (number - 1) / max(len(rows), 10)
            where = figure.text(
                0.63, height, f"{number}  {results.display_name(row['pipeline'])}", fontsize=8, va="top"
            )
            where.set_url(url)
        return as_svg(figure)


def _draw_point(axes: Axes, row: Any, url: str | None) -> None:
    marker, colour, face = POINTS[PAGE_WORDS[row["verdict"]].tone]
    x, y = row["roc_auc"], row["enrichment"]
    if np.isnan(x) or np.isnan(y):
        return
    axes.hlines(y, row["roc_auc_lo"], row["roc_auc_hi"], color=colour, linewidth=0.9, alpha=0.7)
    axes.vlines(x, row["enrichment_lo"], row["enrichment_hi"], color=colour, linewidth=0.9, alpha=0.7)
    (point,) = axes.plot(x, y, marker, color=colour, markerfacecolor=face, markersize=8)
    point.set_url(url)


def _number_points(axes: Axes, points: np.ndarray, urls: Sequence[str | None]) -> None:
    """Write the number of each point beside it. points: (n, 2) in the units of the axes; NaN is not drawn."""
    drawn = np.flatnonzero(~np.isnan(points).any(axis=1)).tolist()
    in_points = axes.transData.transform(points[drawn]) * POINTS_PER_INCH / axes.figure.dpi
    for place, rise in zip(drawn, rises(in_points), strict=True):
        name = axes.annotate(
            str(place + 1), points[place], xytext=(5, 5 + rise), textcoords="offset points", fontsize=NUMBER_SIZE
        )
        name.set_url(urls[place])


def rises(places: np.ndarray) -> list[float]:
    """Choose how far each number is lifted, (n,), so that none covers one before it; places: (n, 2), all in points."""
    chosen: list[float] = []
    for x, y in places:
        heights = [
            earlier[1] + rise
            for earlier, rise in zip(places, chosen, strict=False)
            if abs(x - earlier[0]) < 2 * NUMBER_SIZE
        ]
        steps = count(0.0, NUMBER_SIZE)
        chosen.append(next(rise for rise in steps if all(abs(y + rise - taken) >= NUMBER_SIZE for taken in heights)))
    return chosen


def numbers_in_words(results: RunResults, rows: pd.DataFrame, *metrics: tuple[str, str]) -> str:
    """Write what a chart shows as text: for each row its pipeline, and each (column, words) with its interval."""
    return "; ".join(
        f"{results.display_name(row['pipeline'])}, {evaluation}{', '.join(_value(row, *each) for each in metrics)}"
        for _, row in rows.iterrows()
        for evaluation in [f"stage {row['stage']} on {row['cohort']}: "]
    )


def _value(row: Any, column: str, words: str) -> str:
    return f"{words} {with_interval(row, column)}"
