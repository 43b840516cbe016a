"""Draw maps over slices, and the mean maps of classes."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from PIL import Image

from lungsight.explain.mean_map import BEYOND, MeanMap
from lungsight.explain.resample import upsample_bilinear

# Perceptually uniform, and read alike with every kind of colour vision.
COLOURS = "viridis"
LUNG_COLOUR = "#ff9ecf"


def draw_overlay(
    image: np.ndarray, mask: np.ndarray, heat: np.ndarray, title: str, detail: str, sided: bool = False
) -> bytes:
    """Draw the slice with the lung's outline, and beside it the same with the map over it, as the bytes of a PNG.

    image: (H, W) uint8. mask: (H, W) bool, the lung. heat: (H, W) non-negative, shown as a share of its maximum; the
    colour is the more opaque the higher it is. sided: write R at the image's left, the patient's right.
    """
    share = heat / heat.max() if heat.max() > 0 else heat
    figure = Figure(figsize=(5.4, 2.85), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    for left, covered in ((0.005, False), (0.455, True)):
        axes = figure.add_axes((left, 0.02, 0.445, 0.845))
        axes.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="bilinear")
        if covered:
            axes.imshow(share, cmap=COLOURS, vmin=0, vmax=1, alpha=0.75 * np.sqrt(share), interpolation="bilinear")
        if mask.any() and not mask.all():
            axes.contour(mask, levels=[0.5], colors=LUNG_COLOUR, linewidths=1.1)
        if sided:
            outline = [withStroke(linewidth=2, foreground="black")]
            axes.text(0.02, 0.5, "R", color="white", va="center", transform=axes.transAxes, path_effects=outline)
        axes.set_axis_off()
    bar = figure.add_axes((0.912, 0.06, 0.02, 0.765))
    figure.colorbar(ScalarMappable(Normalize(0, 1), COLOURS), cax=bar, ticks=[0, 0.5, 1])
    bar.tick_params(labelsize=8, length=2)
    figure.text(0.008, 0.985, title, ha="left", va="top", fontsize=9.5, fontweight="bold")
    figure.text(0.992, 0.985, detail, ha="right", va="top", fontsize=9)
    return _png(canvas)


def draw_overlays(
    folder: Path,
    pictures: Sequence[dict[str, Any]],
    images: np.ndarray,
    masks: np.ndarray,
    maps: np.ndarray,
    sided: Sequence[bool],
) -> None:
    """Draw n slices into `folder`, each into the file of its name.

    Parameters
    ----------
    folder
        Made where it is missing.
    pictures
        Of n slices, as summary.json lists them.
    images, masks
        (n, size, size) uint8, as the network sees the slices, and bool, the lung.
    maps
        (n, h, w) raw maps.
    sided
        Of n slices, whether it is known which side is the patient's right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    heats = upsample_bilinear(maps, masks.shape[1:])
    for picture, image, mask, heat, known in zip(pictures, images, masks, heats, sided, strict=True):
        title = f"{picture['outcome']} · {picture['label']} · p = {picture['probability']:.2f}"
        numbers = f"enrichment {picture['enrichment']:.2f} · lung mass {picture['lung_mass']:.2f}"
        drawn = draw_overlay(image, mask, heat, title, f"{picture['position']} · {numbers}", known)
        (folder / picture["file"]).write_bytes(drawn)


def draw_mean_maps(maps: list[MeanMap]) -> bytes:
    """Draw the mean map of each class around the lung's box, on one colour scale, as the bytes of a PNG."""
    figure = Figure(figsize=(5.4, 2.85), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    if not maps:
        figure.text(0.5, 0.5, "No map could be measured", ha="center", va="center", fontsize=9.5)
        return _png(canvas)
    scale = Normalize(0, max(2.0, *(np.nanmax(one.heat) for one in maps)))
    beyond_rows, beyond_columns = BEYOND
    for number, one in enumerate(maps):
        axes = figure.add_axes((0.005 + 0.45 * number, 0.02, 0.445, 0.845))
        extent = (-beyond_columns, 1 + beyond_columns, 1 + beyond_rows, -beyond_rows)
        axes.set_facecolor("0.85")
        axes.imshow(one.heat, cmap=COLOURS, norm=scale, extent=extent, interpolation="bilinear")
        axes.contour(one.lung, levels=[0.5], colors=LUNG_COLOUR, linewidths=1.6, extent=extent, origin="upper")
        axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="white", linewidth=0.8, linestyle=":"))
        axes.set(xticks=[], yticks=[], aspect=one.aspect)
        patients = "patient" if one.patients == 1 else "patients"
        title = f"{one.label} · {one.slices} slices of {one.patients} {patients}"
        figure.text(0.008 + 0.45 * number, 0.955, title, ha="left", va="top", fontsize=8.5, fontweight="bold")
    bar = figure.add_axes((0.912, 0.06, 0.02, 0.765))
    figure.colorbar(ScalarMappable(scale, COLOURS), cax=bar, ticks=sorted({0, 1, *np.floor([scale.vmax])}))
    bar.axhline(1, color="white", linewidth=1.5)
    bar.tick_params(labelsize=8, length=2)
    return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, format="PNG")
    return buffer.getvalue()
