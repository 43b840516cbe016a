"""Make the review page: a folder with one HTML file, which opens from disk, and a picture of every slice."""

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from PIL import Image

from lungsight.components import eroded
from lungsight.qc.rules import in_brief

PANE = 320  # pixels: 25,000 pictures of this size take about 0.8 GB
OUTLINE = (255, 176, 0)
SCORES = {
    "lung_fraction": "lung area",
    "air_fraction": "air in the body",
    "missed_air": "air missed",
    "components": "pieces",
    "border_contact": "border covered",
    "solidity": "solidity",
    "holes": "holes",
    "mean_intensity": "mean intensity",
    "soft_fraction": "soft tissue inside",
    "neighbour_dice": "neighbours agree",
    "classical_dice": "classical mask agrees",
    "classical_kept": "of one lung kept",
    "gas_fraction": "gas inside",
}
REASONS = {
    "whole": ["no lung visible", "image artefact", "not an axial chest slice", "other"],
    "segmented": ["lung shape lost", "part of the lung missing", "other tissue kept", "mask of another slice", "other"],
}


def outline(mask: np.ndarray) -> np.ndarray:
    """Return the pixels of a mask that have a 4-neighbour outside it; (rows, columns) bool."""
    return mask & ~eroded(mask, outside=True)


def picture(image: np.ndarray, mask: np.ndarray) -> Image.Image:
    """Draw two square panes side by side: the slice with the outline of its mask, and the slice × mask.

    Parameters
    ----------
    image : (rows, columns) uint8
    mask : (rows, columns) bool

    Returns
    -------
    Image
        Each pane is at most 320 pixels wide.
    """
    height, width = image.shape
    scale = min(1.0, PANE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0))
    small = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
    side = max(size)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    panes = np.zeros((side, 2, side, 3), dtype=np.uint8)
    inside = panes[top : top + size[1], :, left : left + size[0]]
    inside[:, 0] = grey[..., np.newaxis]
    inside[:, 1] = (grey * small)[..., np.newaxis]
    inside[:, 0][outline(small)] = OUTLINE
    return Image.fromarray(panes.reshape(side, 2 * side, 3))


def save_picture(path: Path, image: np.ndarray, mask: np.ndarray) -> None:
    """Write `picture` as JPEG, with colour at full resolution, so that the outline stays sharp."""
    picture(image, mask).save(path, quality=85, subsampling=0)


def page_data(cohort: str, scores: pd.DataFrame, decisions: pd.DataFrame, sided: bool) -> dict:
    """Return the data of the page's script, column by column, the most suspicious slice first.

    Parameters
    ----------
    scores
        The table `scores`.
    decisions
        As `rules.decide` returns them, on the index of `scores`.
    sided
        Whether the left of an image is known to be the patient's right. It is for scans, but not for pictures.
    """
    order = decisions["suspicion"].sort_values(ascending=False, kind="stable").index
    values = scores.loc[order, list(SCORES)].astype(float).round(3)
    reasons = decisions.loc[order, "reason"].tolist()
    faults = [[in_brief(fault) for fault in reason.split("; ") if fault] for reason in reasons]
    by_frequency = [name for name, _ in Counter(chain(*faults)).most_common()]
    return {
        "cohort": cohort,
        "sided": sided,
        "reasons": REASONS,
        "scoreNames": list(SCORES.values()),
        "slices": scores.loc[order, "slice"].tolist(),
        "position": scores.index.get_indexer(order).tolist(),
        "whole": decisions.loc[order, "whole_keep"].tolist(),
        "segmented": decisions.loc[order, "segmented_keep"].tolist(),
        "reason": reasons,
        "rules": by_frequency,
        "broken": [[by_frequency.index(fault) for fault in own] for own in faults],
        "scores": [[None if np.isnan(value) else value for value in row] for row in values.to_numpy().tolist()],
    }


def template_files() -> list[Path]:
    """List the parts of the page, which lie beside this module."""
    return [Path(__file__).with_name(f"page.{ending}") for ending in ("html", "css", "js")]


def render(data: dict) -> str:
    """Render the page as one HTML text with style, script and data inside."""
    html, style, script = (path.read_text(encoding="utf-8") for path in template_files())
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    # No "<" can end the script element that holds the data, or begin a comment in it.
    embedded = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return environment.from_string(html).render(
        cohort=data["cohort"], sided=data["sided"], style=style, script=script, data=embedded
    )
