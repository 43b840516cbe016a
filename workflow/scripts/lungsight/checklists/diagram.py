"""Draw flow.tsv as a flow diagram (STARD, CONSORT), as static SVG, and write it in words."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
from markupsafe import Markup, escape

from lungsight.checklists.patient_flow import BY_INTAKE, BY_QUALITY, KEPT, TABLE, USABLE
from lungsight.splits.cohort_flow import INPUT_VIEW_NAMES
from lungsight.subsets import SUBSETS
from lungsight.wording import count

WIDTH, GAP, LINE, PADDING = 1180, 26, 18, 10
SIDE = 0.56  # where boxes of what was left out begin, as a share of the width
FEW_REASONS = 4
HEADING = ' font-weight="600"'
LETTER = 6.6  # pixels of a letter, to break lines that are too long
NAMES = {
    TABLE: "Rows of the table",
    USABLE: "Usable",
    KEPT: "Kept",
    "train": "Train",
    "val": "Validation",
    "test": "Test",
}
LEFT_OUT = {BY_INTAKE: "Left out by intake", BY_QUALITY: "Left out by quality control"}


class _Box(NamedTuple):
    left: float
    top: float
    width: float
    texts: list[str]
    dashed: bool = False

    @property
    def lines(self) -> list[str]:
        """The texts, broken where the box is too narrow for them."""
        longest = int((self.width - 2 * PADDING) / LETTER)
        return [line for text in self.texts for line in textwrap.wrap(text, longest, break_on_hyphens=False)]

    @property
    def height(self) -> float:
        return LINE * len(self.lines) + 2 * PADDING

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


def draw(flow: pd.DataFrame, cohort: str) -> Markup:
    """Draw the way of one cohort. flow: flow.tsv."""
    rows = flow[flow["cohort"] == cohort]
    views = list(dict.fromkeys(rows.loc[rows["input_view"] != "", "input_view"]))
    shared = rows[rows["input_view"] == ""]
    parts: list[Markup] = []
    whole = _Box(0, 0, WIDTH * SIDE - GAP, _lines(shared, TABLE))
    top = _beside(parts, whole, _reasons(shared, BY_INTAKE), WIDTH * SIDE, WIDTH * (1 - SIDE))
    usable = _Box(0, top, WIDTH * SIDE - GAP, _lines(shared, USABLE))
    parts.append(_arrow(whole.middle, whole.bottom, usable.top))
    parts.append(_drawn(usable))
    bottom = usable.bottom
    width = (WIDTH - GAP * (len(views) - 1)) / max(len(views), 1)
    for number, view in enumerate(views):
        bottom = max(
            bottom, _branch(parts, rows[rows["input_view"] == view], view, usable, number * (width + GAP), width)
        )
    label = escape(f"Flow diagram of {cohort}; the same in words below")
    inside = Markup("\n").join(parts)
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-2 -2 {WIDTH + 4} {bottom + 4:.0f}" width="{WIDTH}"'
        f' role="img" aria-label="{label}" font-family="sans-serif" font-size="13">\n{inside}\n</svg>'
    )


def in_words(flow: pd.DataFrame, cohort: str) -> list[str]:
    """Write the diagram of one cohort as sentences, for those who do not see it. flow: flow.tsv."""
    rows = flow[flow["cohort"] == cohort]
    sentences = []
    for _, at in rows.groupby(["input_view", "step", "reason"], sort=False):
        (row,) = at[at["label"] == ""].to_dict("records")
        classes = [f"{of['label']} {of['patients']}" for of in at[at["label"] != ""].to_dict("records")]
        patients = f" Patients: {', '.join(classes)}." if classes else ""
        view = f", {INPUT_VIEW_NAMES[row['input_view']].lower()}" if row["input_view"] else ""
        reason = f" ({row['reason']})" if row["reason"] else ""
        name = NAMES.get(row["step"]) or LEFT_OUT[row["step"]]
        sentences.append(f"{name}{view}{reason}: {_units(row)}.{patients}")
    return sentences


def _branch(parts: list[Markup], rows: pd.DataFrame, view: str, above: _Box, left: float, width: float) -> float:
    """Draw what becomes of the usable cases in one input view. Returns its bottom."""
    reasons = _reasons(rows, BY_QUALITY)
    name = _Box(
        left, above.bottom + 2 * GAP, width, [INPUT_VIEW_NAMES[view], *(reasons or ["nothing left out"])], dashed=True
    )
    start = min(max(name.middle, above.left + GAP), above.left + above.width - GAP)
    parts.append(_line(start, above.bottom, start, above.bottom + GAP))
    parts.append(_line(start, above.bottom + GAP, name.middle, above.bottom + GAP))
    parts.append(_arrow(name.middle, above.bottom + GAP, name.top))
    kept = _Box(left, name.bottom + GAP, width, _lines(rows, KEPT))
    parts += [_drawn(name), _arrow(kept.middle, name.bottom, kept.top), _drawn(kept)]
    subsets = [subset for subset in SUBSETS if (rows["step"] == subset).any()]
    bottom = kept.bottom
    each = (width - 10 * (len(subsets) - 1)) / max(len(subsets), 1)
    for number, subset in enumerate(subsets):
        box = _Box(left + number * (each + 10), kept.bottom + GAP, each, _lines(rows, subset, short=True))
        parts += [_arrow(box.middle, kept.bottom, box.top), _drawn(box)]
        bottom = max(bottom, box.bottom)
    return bottom


def _beside(parts: list[Markup], box: _Box, reasons: list[str], left: float, width: float) -> float:
    """Draw a box, and beside the arrow below it what was left out. Returns where the next box begins."""
    parts.append(_drawn(box))
    if not reasons:
        return box.bottom + GAP
    side = _Box(left, box.bottom + GAP / 2, width, reasons, dashed=True)
    height = side.top + side.height / 2
    parts += [_line(box.middle, height, side.left, height), _drawn(side)]
    return side.bottom + GAP / 2


def _lines(rows: pd.DataFrame, step: str, short: bool = False) -> list[str]:
    """Write name, counts, and patients of each class at a step."""
    at = rows[rows["step"] == step]
    everybody = at[at["label"] == ""].to_dict("records")[0]
    by_class = at[at["label"] != ""].to_dict("records")
    if short:
        counts = [count(everybody["patients"], "patient"), count(everybody["slices"], "slice")]
        return [NAMES[step], *counts, *(f"{row['label']}: {row['patients']}" for row in by_class)]
    classes = ", ".join(f"{row['label']} {row['patients']}" for row in by_class)
    return [NAMES[step], _units(everybody), *([f"patients: {classes}"] if classes else [])]


def _units(row: dict) -> str:
    return f"{count(row['cases'], 'case')}, {count(row['patients'], 'patient')}, {count(row['slices'], 'slice')}"


def _reasons(rows: pd.DataFrame, step: str) -> list[str]:
    """Write what was left out at a step: the sum, and the most frequent reasons."""
    out = rows[(rows["step"] == step) & (rows["label"] == "")]
    if out.empty:
        return []
    ordered = out.sort_values(["cases", "slices"], ascending=False, kind="stable").to_dict("records")
    total = out[["cases", "patients", "slices"]].sum().to_dict()
    lines = [LEFT_OUT[step], _units(total)]
    lines += [f"{row['reason']}: {_short(row)}" for row in ordered[:FEW_REASONS]]
    if len(ordered) > FEW_REASONS:
        rest = out.loc[~out["reason"].isin([row["reason"] for row in ordered[:FEW_REASONS]])]
        lines.append(f"other reasons: {_short(rest[['cases', 'slices']].sum().to_dict())}")
    return lines


def _short(row: dict) -> str:
    shown = [count(row[unit], unit.removesuffix("s")) for unit in ("cases", "slices") if row[unit]]
    return ", ".join(shown) or "0 cases"


def _drawn(box: _Box) -> Markup:
    style = (
        'fill="#f4f6f8" stroke="#767676" stroke-dasharray="4 3"' if box.dashed else 'fill="#ffffff" stroke="#1d2733"'
    )
    frame = f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" {style}/>'
    lines = [
        f'<text x="{box.left + PADDING:.1f}" y="{box.top + PADDING + LINE * (number + 0.75):.1f}"'
        f"{HEADING if number == 0 else ''}>{escape(line)}</text>"
        for number, line in enumerate(box.lines)
    ]
    return Markup("\n".join([frame, *lines]))


def _line(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return Markup(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#767676" fill="none"/>')


def _arrow(x: float, start: float, end: float) -> Markup:
    head = f"M{x - 4:.1f} {end - 7:.1f}L{x:.1f} {end:.1f}L{x + 4:.1f} {end - 7:.1f}"
    return Markup(f'<path d="M{x:.1f} {start:.1f}V{end:.1f}{head}" stroke="#1d2733" fill="none"/>')


def cohorts_in(flow: pd.DataFrame) -> Sequence[str]:
    """Name the cohorts of flow.tsv, in order."""
    return list(dict.fromkeys(flow["cohort"]))
