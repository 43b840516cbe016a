"""Pictures inside the page itself, so that it is one file."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from lungsight.report.results import RunResults
from lungsight.report.wording import number

# The page must be small enough to mail; what does not fit stays in explain/<pipeline>/stage<k>/overlays.
GALLERY_BYTES = 9_000_000
_QUALITY = 75


class Picture(NamedTuple):
    """A data URI with its size and alternative text."""

    source: str
    width: int
    height: int
    alt: str
    caption: str = ""


def inline(path: Path, alt: str, caption: str = "") -> Picture:
    """A picture file as WebP in a data URI: a tenth of the size of the PNG."""
    with Image.open(path) as image:
        buffer = io.BytesIO()
        image.convert("RGB").save(buffer, format="WEBP", quality=_QUALITY)
        encoded = base64.b64encode(buffer.getvalue()).decode()
        return Picture(f"data:image/webp;base64,{encoded}", image.width, image.height, alt, caption)


def overlay_picture(folder: Path, facts: dict[str, Any]) -> Picture:
    """One overlay of explain_stage. facts: its entry in summary.json."""
    outcomes = {"TP": "true positive", "TN": "true negative", "FP": "false positive", "FN": "false negative"}
    alt = (
        f"{outcomes[facts['outcome']]}: a slice labelled {facts['label']}, probability {number(facts['probability'])};"
        f" left the slice with the lung outlined, right the same under its Grad-CAM map, enrichment"
        f" {number(facts['enrichment'])} ({facts['position']} of its outcome)"
    )
    return inline(folder / facts["file"], alt)


class Gallery(NamedTuple):
    """The overlays of one model that fit the page, in order of outcome, and how many there are."""

    pipeline: str
    stage: int
    pictures: list[Picture]
    available: int


def galleries(results: RunResults) -> list[Gallery]:
    """Overlays of every model: the median of each outcome of all models first, then the next, while they fit."""
    queue = [
        (order, model, facts)
        for model, summary in results.summaries.items()
        for order, facts in _by_turn(summary["overlays"]["pictures"])
    ]
    chosen: dict[tuple[str, int], list[tuple[str, Picture]]] = {model: [] for model in results.summaries}
    used = 0
    for _, (pipeline, stage), facts in sorted(queue, key=lambda entry: entry[0]):
        picture = overlay_picture(results.folder / f"explain/{pipeline}/stage{stage}/overlays", facts)
        used += len(picture.source)
        if used > GALLERY_BYTES:
            break
        chosen[pipeline, stage].append((facts["outcome"], picture))
    order = ("TP", "TN", "FP", "FN")
    return [
        Gallery(
            *model,
            [picture for _, picture in sorted(pictures, key=lambda entry: order.index(entry[0]))],
            len(results.summaries[model]["overlays"]["pictures"]),
        )
        for model, pictures in chosen.items()
    ]


def _by_turn(pictures: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Pictures with their turn within their outcome: 0 for the first of each, 1 for the second, …"""
    seen: dict[str, int] = {}
    turns = []
    for facts in pictures:
        turn = seen.get(facts["outcome"], 0)
        seen[facts["outcome"]] = turn + 1
        turns.append((turn, facts))
    return turns
