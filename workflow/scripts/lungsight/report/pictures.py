"""Pictures inside the page itself, so that it is one file."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from lungsight.report.results import RunResults
from lungsight.wording import count, number

# The page must be small enough to mail; what does not fit stays in explain/<pipeline>/stage<k>/overlays.
GALLERY_BYTES = 9_000_000
_QUALITY = 75
OUTCOMES = {"TP": "true positive", "TN": "true negative", "FP": "false positive", "FN": "false negative"}


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
        return as_picture(image, alt, caption)


def as_picture(image: Image.Image, alt: str, caption: str = "") -> Picture:
    """An image as WebP in a data URI."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="WEBP", quality=_QUALITY)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{encoded}", image.width, image.height, alt, caption)


def overlay_picture(folder: Path, facts: dict[str, Any]) -> Picture:
    """One overlay of explain_stage. facts: its entry in summary.json."""
    alt = (
        f"{OUTCOMES[facts['outcome']]}: a slice labelled {facts['label']}, probability {number(facts['probability'])};"
        f" left the slice with the lung outlined, right the same under its Grad-CAM map, enrichment"
        f" {number(facts['enrichment'])} ({facts['position']} of its outcome)"
    )
    return inline(folder / facts["file"], alt)


def mean_picture(folder: Path, summary: dict[str, Any]) -> Picture:
    """The mean maps of a model's classes. folder: of explain_stage. summary: its summary.json."""
    classes = [
        f"{one['label']} ({count(one['slices'], 'slice')} of {count(one['patients'], 'patient')}), highest"
        f" {one['where']} at {number(one['highest'], 1)} times the map's mean"
        for one in summary["mean_maps"]["classes"]
    ]
    alt = f"Mean Grad-CAM map of each class around the lung: {'; '.join(classes) or 'no map could be measured'}"
    return inline(folder / "mean_maps.png", alt)


class Group(NamedTuple):
    """Pictures under one heading."""

    heading: str
    pictures: list[Picture]


class Gallery(NamedTuple):
    """The mean maps of one model, its overlays that fit the page by outcome, how many those are and how many exist."""

    pipeline: str
    stage: int
    mean: Picture
    groups: list[Group]
    shown: int
    available: int


def by_outcome(chosen: list[tuple[str, Picture]], summary: dict[str, Any]) -> list[Group]:
    """Pictures, each with its outcome, under headings that say how many slices have that outcome."""
    n = {row["outcome"]: row["n"] for row in summary["methods"][0]["outcomes"]}
    groups = []
    for outcome, words in OUTCOMES.items():
        pictures = [picture for found, picture in chosen if found == outcome]
        if pictures:
            groups.append(Group(f"{words.capitalize()}s ({outcome}), {count(n[outcome], 'test slice')}", pictures))
    return groups


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
    return [
        Gallery(
            *model,
            mean_picture(results.folder / f"explain/{model[0]}/stage{model[1]}", results.summaries[model]),
            by_outcome(pictures, results.summaries[model]),
            len(pictures),
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
