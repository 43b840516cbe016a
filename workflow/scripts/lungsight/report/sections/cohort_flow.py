"""Flow diagrams: from the rows of a table to the images of each input view, and the same in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lungsight.evaluation.selection import INTAKE
from lungsight.report.charts import STYLE, as_svg
from lungsight.report.results import RunResults
from lungsight.splits.cohort_flow import AFTER_INTAKE, INPUT_VIEW_NAMES, Step, cohort_flow
from lungsight.wording import number

NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})
FEW_REASONS = 3  # beside a box; the table of reasons has them all
# Left and right edges of the boxes: what is left, and what was left out.
BOX, BOX_BESIDE = (0.0, 4.4), (5.0, 9.6)


def section(results: RunResults) -> dict[str, Any] | None:
    """Give name, diagram and sentences for every labelled cohort; None where there is none."""
    if not results.slices:
        return None
    steps = {name: steps_of(results, name) for name in results.slices}
    return {
        "flows": [
            (name, Markup(draw(each, shares_of(results, name))), in_words(each, shares_of(results, name)))
            for name, each in steps.items()
        ]
    }


def shares_of(results: RunResults, cohort: str) -> dict[str, list[str]]:
    """Write which share of each class was left out until a step: name of the step → lines, where anything was."""
    if results.selection.empty:
        return {}
    names = {"": AFTER_INTAKE} | INPUT_VIEW_NAMES
    of_cohort = results.selection[results.selection["cohort"] == cohort]
    by_view = of_cohort.groupby("framework", sort=False)
    return {names[str(view)]: _shares(rows) for view, rows in by_view if rows["excluded"].any()}


def _shares(rows: pd.DataFrame) -> list[str]:
    """Write what share of each class was left out, and of what; and whether it depends on the class."""
    of_what = "rows" if rows["excluded_by"].iloc[0] == INTAKE else "usable slices"
    p = rows["p_holm"].iloc[0]
    tested = "" if pd.isna(p) else " (p < 0.001)" if p < 0.001 else f" (p = {number(p, 3)})"
    return [
        f"of the {of_what}, by patient{tested}:",
        *(f"{100 * row['excluded']:.0f} % of {row['label']}" for _, row in rows.iterrows()),
    ]


def steps_of(results: RunResults, cohort: str) -> list[Step]:
    """List the steps of one labelled cohort."""
    splits = {view: results.splits[name, view] for name, view in results.splits if name == cohort}
    manifest = results.manifests.get(cohort)
    cases, slices = results.cases[cohort], results.slices[cohort]
    return cohort_flow(cases, slices, manifest, splits, results.input_views, results.run["labels"])


def in_words(steps: list[Step], shares: Mapping[str, Sequence[str]] = NOTHING) -> list[str]:
    """Write the diagram as sentences, for those who do not see it. Arguments: `draw`'s."""
    sentences = []
    for step in steps:
        share = shares.get(step.name, ())
        left_out = f" Left out before: {'; '.join(_left_out(step))}." if step.left_out else ""
        subsets = f" Of these {_subsets(step)}." if step.subsets else ""
        of_classes = f" Left out {share[0]} {', '.join(share[1:])}." if share else ""
        sentences.append(f"{step.name}: {_total(step)}.{left_out}{of_classes}{subsets}")
    return sentences


def draw(steps: list[Step], shares: Mapping[str, Sequence[str]] = NOTHING) -> str:
    """Draw the diagram of one cohort. shares: as `shares_of` gives them."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.3 * len(steps)))
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        bottom = 0.0
        for place, step in enumerate(steps):
            beside = [*_left_out(step), *shares.get(step.name, ())]
            top = _draw_arrow(axes, bottom, beside) if place else bottom
            lines = [step.name, _total(step), *([_subsets(step)] if step.subsets else [])]
            bottom = _draw_box(axes, BOX, top, lines, solid=True)
        axes.set(xlim=(-0.1, BOX_BESIDE[1] + 0.1), ylim=(bottom - 0.1, 0.1))
        return as_svg(figure)


def _total(step: Step) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in step.counts.items())
    return f"{sum(step.counts.values())} ({counts})"


def _subsets(step: Step) -> str:
    return ", ".join(f"{subset} {count}" for subset, count in step.subsets.items())


def _left_out(step: Step) -> list[str]:
    ordered = Counter(step.left_out).most_common()
    shown = [f"{count} {reason}" for reason, count in ordered[:FEW_REASONS]]
    rest = sum(count for _, count in ordered[FEW_REASONS:])
    return shown + ([f"{rest} for other reasons"] if rest else [])


def _draw_arrow(axes: Axes, start: float, beside: list[str]) -> float:
    """Draw an arrow down, with a box of what was left out beside it. Returns where the arrow ends."""
    middle = sum(BOX) / 2
    end = start - (0.36 * len(beside) + 0.6 if beside else 0.55)
    axes.annotate("", (middle, end), (middle, start), arrowprops={"arrowstyle": "-|>", "color": "#333333"})
    if beside:
        height = (start + end) / 2
        axes.plot([middle, BOX_BESIDE[0]], [height, height], color="#999999", linewidth=1.0)
        _draw_box(axes, BOX_BESIDE, height + 0.18 * len(beside) + 0.15, beside, solid=False)
    return end


def _draw_box(axes: Axes, edges: tuple[float, float], top: float, lines: list[str], solid: bool) -> float:
    """Draw a box with lines of text. Returns its bottom."""
    left, right = edges
    bottom = top - 0.36 * len(lines) - 0.3
    fill, edge, style = ("white", "#333333", "-") if solid else ("#f4f4f4", "#999999", "--")
    size = right - left, top - bottom
    axes.add_patch(Rectangle((left, bottom), *size, facecolor=fill, edgecolor=edge, linewidth=1.0, linestyle=style))
    axes.text(left + 0.15, (top + bottom) / 2, "\n".join(lines), va="center", fontsize=9, linespacing=1.35)
    return bottom
