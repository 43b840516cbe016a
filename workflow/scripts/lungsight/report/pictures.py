"""Pictures inside the page itself, so that it is one file."""

import base64
import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from lungsight.wording import count, number

_QUALITY = 75
OUTCOMES = {"TP": "true positive", "TN": "true negative", "FP": "false positive", "FN": "false negative"}


class Picture(NamedTuple):
    """A data URI with its size in pixels and its alternative text."""

    source: str
    width: int
    height: int
    alt: str
    caption: str = ""


def inline(path: Path, alt: str, caption: str = "") -> Picture:
    """Read a picture file as WebP in a data URI: a tenth of the size of the PNG."""
    with Image.open(path) as image:
        return as_picture(image, alt, caption)


def as_picture(image: Image.Image, alt: str, caption: str = "") -> Picture:
    """Encode an image as WebP in a data URI."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="WEBP", quality=_QUALITY)
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return Picture(f"data:image/webp;base64,{encoded}", image.width, image.height, alt, caption)


def outcome_in_words(entry: dict[str, Any]) -> str:
    """Say what became of a slice. entry: of a picture in summary.json; of more than two classes it has `explained`.

    That is the class that was predicted.
    """
    if "explained" in entry:
        return f"predicted {entry['explained']}"
    outcome: str = entry["outcome"]
    return OUTCOMES.get(outcome, outcome)


def shown_probability(entry: dict[str, Any]) -> tuple[float, str]:
    """Return the probability that is shown with a picture, and of which class: "" for the first of two."""
    if "explained" in entry:
        return entry["explained_probability"], entry["explained"]
    return entry["probability"], ""


def probability_in_words(entry: dict[str, Any]) -> str:
    """Write `shown_probability`: 0.72, or 0.72 for CAP."""
    probability, of = shown_probability(entry)
    return f"{number(probability)} for {of}" if of else number(probability)


def overlay_picture(folder: Path, entry: dict[str, Any]) -> Picture:
    """Show one overlay of a model. entry: of it in summary.json."""
    alt = (
        f"{outcome_in_words(entry)}: a slice labelled {entry['label']}, probability {probability_in_words(entry)};"
        f" left the slice with the lung outlined, right the same under its Grad-CAM map, enrichment"
        f" {number(entry['enrichment'])} ({entry['position']} of its outcome)"
    )
    return inline(folder / entry["file"], alt)


def mean_picture(folder: Path, summary: dict[str, Any]) -> Picture:
    """Show the mean maps of a model's classes. folder: of its explanation. summary: its summary.json."""
    classes = [
        f"{entry['label']} ({count(entry['slices'], 'slice')} of {count(entry['patients'], 'patient')}), highest"
        f" {entry['where']} at {number(entry['highest'], 1)} times the map's mean"
        for entry in summary["mean_maps"]["classes"]
    ]
    alt = f"Mean Grad-CAM map of each class around the lung: {'; '.join(classes) or 'no map could be measured'}"
    return inline(folder / "mean_maps.png", alt)
