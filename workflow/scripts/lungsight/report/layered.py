"""Overlays whose layers can be shown and hidden: the slice, the map over it, the outlines of lung and lesions."""

import base64
import io
from typing import Any, NamedTuple

import matplotlib
import numpy as np
from contourpy import contour_generator
from PIL import Image

from lungsight.explain.layers import Layers, load_layers
from lungsight.explain.overlays import COLOURS
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.sampling import RIGHT
from lungsight.layout import LAYERS
from lungsight.report.pictures import outcome_in_words, probability_in_words
from lungsight.report.results import Model, RunResults
from lungsight.wording import number

MAP_SIDE = 128  # pixels of a map's picture: its own pixels are far fewer
SLICE_QUALITY, MAP_QUALITY = 75, 60
OPAQUE = 0.75  # at the map's maximum, as in the pictures of explain


class SlicePicture(NamedTuple):
    """A slice with its outlines.

    Attributes
    ----------
    image
        Data URI.
    lung, lesions
        SVG paths in pixels of the slice; "" where there are none.
    size
        Rows and columns.
    sided
        Whether the image's left is known to be the patient's right.
    """

    image: str
    lung: str
    lesions: str
    size: int
    sided: bool


class Overlay(NamedTuple):
    """A slice, the picture of the map over it, and what a reader is to know of both."""

    slice: SlicePicture
    heat: str
    alt: str
    title: str
    detail: str


def layers_of(results: RunResults, model: Model) -> Layers:
    """Read the layers of a model's overlays."""
    return load_layers(results.folder / f"explain/{model[0]}/stage{model[1]}" / LAYERS)


def slice_picture(layers: Layers, place: int) -> SlicePicture:
    """Make the picture of one slice with its outlines."""
    image = layers.images[place]
    return SlicePicture(
        _webp(Image.fromarray(image), SLICE_QUALITY),
        outline_path(layers.lungs[place]),
        outline_path(layers.lesions[place]),
        image.shape[0],
        bool(layers.sided[place]),
    )


def heat_picture(raw: np.ndarray) -> str:
    """Draw a raw map (h, w) as a share of its maximum: a higher value is more opaque."""
    heat = upsample_bilinear(raw[None], (MAP_SIDE, MAP_SIDE))[0]
    share = heat / heat.max() if heat.max() > 0 else heat
    pixels = matplotlib.colormaps[COLOURS](share)
    pixels[..., 3] = OPAQUE * np.sqrt(share)
    return _webp(Image.fromarray((255 * pixels).round().astype(np.uint8)), MAP_QUALITY)


def outline_path(mask: np.ndarray) -> str:
    """Draw around a mask (rows, columns): an SVG path whose unit is a pixel, with the image's corner at 0."""
    padded = np.pad(mask.astype(float), 1)
    lines = map(np.asarray, contour_generator(z=padded).lines(0.5))
    # Column k of the padded mask has its centre at k − 0.5 of the image.
    return "".join("M" + "L".join(f"{x - 0.5:.1f} {y - 0.5:.1f}" for x, y in line[:-1]) + "Z" for line in lines)


def is_right(entry: dict[str, Any]) -> bool:
    """Tell whether the model was right on a slice. entry: of a picture in summary.json."""
    return entry["outcome"] in RIGHT


def overlay(layers: Layers, entry: dict[str, Any]) -> Overlay:
    """Make one overlay. entry: of a picture in summary.json, one of those in `layers`."""
    place = list(layers.slices).index(entry["slice"])
    probability = probability_in_words(entry)
    alt = (
        f"{outcome_in_words(entry)}: a slice labelled {entry['label']}, probability {probability}, under its Grad-CAM"
        f" map, with the lung outlined; enrichment {number(entry['enrichment'])}"
    )
    judged = "Right" if is_right(entry) else "Wrong"
    return Overlay(
        slice_picture(layers, place),
        heat_picture(layers.maps[place]),
        alt,
        f"{judged}, {entry['position']}",
        f"{entry['label']}, p = {probability}; enrichment {number(entry['enrichment'])}",
    )


def _webp(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="WEBP", quality=quality)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
