"""From the rows of a table to the images that each framework trains and tests on: a flow diagram, and its words.

After the CONSORT statement's diagram (Schulz, Altman & Moher, BMJ 340:c332, 2010): what went on, and beside it what
was left out and why, by class.
"""

from collections import Counter
from typing import NamedTuple

import matplotlib
import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lungsight.qc.rules import NO_MASK, in_brief
from lungsight.report.charts import STYLE, as_svg
from lungsight.report.results import RunResults
from lungsight.run_description import cohorts_of, input_views_of
from lungsight.subsets import SUBSETS

INPUT_VIEW_NAMES = {"whole": "Whole slices", "segmented": "Slice × lung mask"}
FEW_REASONS = 3  # beside a box; the table of reasons has them all
BOX, SIDE_BOX = (0.0, 4.4), (5.0, 9.6)  # left and right edges of what went on and of what was left out


class Step(NamedTuple):
    """What is left at one point: its name, counts by class, what was left out after the step before, and where it went.

    left_out: reason → count. sides: side → count, of a framework that was split.
    """

    name: str
    counts: dict[str, int]
    left_out: dict[str, int]
    sides: dict[str, int]


def _by_class(labels: pd.Series, classes: list[str]) -> dict[str, int]:
    found = Counter(labels)
    return {name: found[name] for name in classes}


def flow_of(results: RunResults, cohort: str) -> list[Step]:
    """The steps of one labelled cohort: rows, usable slices, and what each framework keeps of the step before."""
    classes = results.facts["labels"]
    cases, slices = results.cases[cohort], results.slices[cohort]
    out = Counter(cases["status"].map({"rejected": "rows unusable", "skipped": "rows left out by a rule"}).dropna())
    steps = [
        Step("Rows of the table", _by_class(cases["label"], classes), {}, {}),
        Step("Slices of usable rows", _by_class(slices["label"], classes), dict(out), {}),
    ]
    if cohort not in results.manifests:
        return steps
    manifest = results.manifests[cohort].merge(slices[["slice", "label"]], on="slice", validate="one_to_one")
    before = manifest
    for framework in input_views_of(results.facts):
        kept = manifest[manifest[f"{framework}_keep"] == 1]
        lost = before[~before["slice"].isin(kept["slice"])]
        # Without a mask nobody could keep a slice, whoever decided on it.
        by_person = lost["decided_by"].map({"person": "a person: ", "auto": ""}).where(lost["reason"] != NO_MASK, "")
        why = Counter(by_person + lost["reason"].map(in_brief))
        split = results.splits.get((cohort, framework))
        sides = {} if split is None else {side: int((split["split"] == side).sum()) for side in SUBSETS}
        steps.append(Step(INPUT_VIEW_NAMES[framework], _by_class(kept["label"], classes), dict(why), sides))
        before = kept
    return steps


def _total(step: Step) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in step.counts.items())
    return f"{sum(step.counts.values())} ({counts})"


def _sides_in_words(step: Step) -> str:
    return ", ".join(f"{side} {count}" for side, count in step.sides.items())


def _left_out_in_words(step: Step) -> list[str]:
    ordered = Counter(step.left_out).most_common()
    shown = [f"{count} {reason}" for reason, count in ordered[:FEW_REASONS]]
    rest = sum(count for _, count in ordered[FEW_REASONS:])
    return shown + ([f"{rest} for other reasons"] if rest else [])


def in_words(steps: list[Step]) -> list[str]:
    """The diagram as sentences, for those who do not see it."""
    sentences = []
    for step in steps:
        left_out = f" Left out before: {'; '.join(_left_out_in_words(step))}." if step.left_out else ""
        sides = f" Of these {_sides_in_words(step)}." if step.sides else ""
        sentences.append(f"{step.name}: {_total(step)}.{left_out}{sides}")
    return sentences


def _box(axis: Axes, edges: tuple[float, float], top: float, lines: list[str], solid: bool) -> float:
    """Draw a box with lines of text; returns its bottom."""
    bottom = top - 0.36 * len(lines) - 0.3
    axis.add_patch(
        matplotlib.patches.Rectangle(
            (edges[0], bottom), edges[1] - edges[0], top - bottom, facecolor="white" if solid else "#f4f4f4",
            edgecolor="#333333" if solid else "#999999", linewidth=1.0, linestyle="-" if solid else "--",
        )
    )  # fmt: skip
    axis.text(edges[0] + 0.15, (top + bottom) / 2, "\n".join(lines), va="center", fontsize=9, linespacing=1.35)
    return bottom


def draw(steps: list[Step]) -> str:
    """The diagram of one cohort as SVG."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.3 * len(steps)))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set_axis_off()
        middle, top = sum(BOX) / 2, 0.0
        for number, step in enumerate(steps):
            if number:
                beside = _left_out_in_words(step)
                start, top = top, top - (0.36 * len(beside) + 0.6 if beside else 0.55)
                axis.annotate("", (middle, top), (middle, start), arrowprops={"arrowstyle": "-|>", "color": "#333333"})
                if beside:
                    height = (start + top) / 2
                    axis.plot([middle, SIDE_BOX[0]], [height, height], color="#999999", linewidth=1.0)
                    _box(axis, SIDE_BOX, height + 0.18 * len(beside) + 0.15, beside, solid=False)
            lines = [step.name, _total(step), *([_sides_in_words(step)] if step.sides else [])]
            top = _box(axis, BOX, top, lines, solid=True)
        axis.set(xlim=(-0.1, SIDE_BOX[1] + 0.1), ylim=(top - 0.1, 0.1))
        return as_svg(figure)


def flows(results: RunResults) -> list[tuple[str, Markup, list[str]]]:
    """(cohort, diagram as SVG, its words) of every labelled cohort."""
    labelled = [name for name in cohorts_of(results.facts) if name in results.slices]
    found = [(name, flow_of(results, name)) for name in labelled]
    return [(name, Markup(draw(steps)), in_words(steps)) for name, steps in found]
