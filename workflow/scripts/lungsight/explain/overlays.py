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

# Perceptually uniform, and readable with every kind of colour vision.
COLOURS = "viridis"
LONGEST_WORD = 16  # of a class, above a picture
COLUMNS = 2  # of mean maps
LUNG_COLOUR = "#ff9ecf"


def draw_overlay(
    image: np.ndarray, mask: np.ndarray, heat: np.ndarray, title: str, detail: str, sided: bool = False
) -> bytes:
    """Draw the slice with the lung's outline, and beside it the same with the map over it, as the bytes of a PNG.

    Parameters
    ----------
    image
        (H, W) uint8.
    mask
        (H, W) bool, the lung.
    heat
        (H, W), not negative, shown as a share of its maximum. A higher value is more opaque.
    title, detail
        Texts above the picture, at its left and its right.
    sided
        Whether the image's left is known to be the patient's right: it is then marked R.
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
    figure.text(0.008, 0.985, title, ha="left", va="top", fontsize=9.5, fontweight="bold", parse_math=False)
    figure.text(0.992, 0.985, detail, ha="right", va="top", fontsize=9)
    return _png(canvas)


def title_of(picture: dict[str, Any]) -> str:
    """Say what an overlay shows: with two classes outcome, class and probability of the first class.

    With more, the map explains one class, and the title names it with its probability.
    """
    if "explained" not in picture:
        return f"{picture['outcome']} · {picture['label']} · p = {picture['probability']:.2f}"
    label, explained = (shortened(picture[name]) for name in ("label", "explained"))
    return f"{label} · map of {explained}, p = {picture['explained_probability']:.2f}"


def shortened(word: str) -> str:
    """Cut a long class word, so that two of them fit above a picture."""
    return word if len(word) <= LONGEST_WORD else f"{word[: LONGEST_WORD - 1]}…"


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
        Created where it is missing.
    pictures
        The n slices, as summary.json lists them.
    images, masks
        (n, size, size) uint8, as the network sees the slices, and bool, the lung.
    maps
        (n, h, w) raw maps.
    sided
        (n,) whether the image's left is known to be the patient's right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    heats = upsample_bilinear(maps, masks.shape[1:])
    for picture, image, mask, heat, is_sided in zip(pictures, images, masks, heats, sided, strict=True):
        title = title_of(picture)
        numbers = f"enrichment {picture['enrichment']:.2f} · lung mass {picture['lung_mass']:.2f}"
        drawn = draw_overlay(image, mask, heat, title, f"{picture['position']} · {numbers}", is_sided)
        (folder / picture["file"]).write_bytes(drawn)


def draw_mean_maps(maps: list[MeanMap]) -> bytes:
    """Draw the mean map of each class around the lung's box, two in a row, on one colour scale, as a PNG's bytes."""
    rows = max(1, -(-len(maps) // COLUMNS))
    figure = Figure(figsize=(5.4, 2.85 * rows), dpi=100, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    if not maps:
        figure.text(0.5, 0.5, "No map could be measured", ha="center", va="center", fontsize=9.5)
        return _png(canvas)
    highest = max(2.0, *(float(np.nanmax(mean.heat)) for mean in maps))
    scale = Normalize(0, highest)
    beyond_rows, beyond_columns = BEYOND
    for number, mean in enumerate(maps):
        row, column = divmod(number, COLUMNS)
        below = rows - 1 - row
        axes = figure.add_axes((0.005 + 0.45 * column, (below + 0.02) / rows, 0.445, 0.845 / rows))
        extent = (-beyond_columns, 1 + beyond_columns, 1 + beyond_rows, -beyond_rows)
        axes.set_facecolor("0.85")
        axes.imshow(mean.heat, cmap=COLOURS, norm=scale, extent=extent, interpolation="bilinear")
        axes.contour(mean.lung, levels=[0.5], colors=LUNG_COLOUR, linewidths=1.6, extent=extent, origin="upper")
        axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, edgecolor="white", linewidth=0.8, linestyle=":"))
        axes.set(xticks=[], yticks=[], aspect=mean.aspect)
        patients = "patient" if mean.patients == 1 else "patients"
        label = mean.label if len(maps) <= COLUMNS else shortened(mean.label)
        title = f"{label} · {mean.slices} slices of {mean.patients} {patients}"
        left, top = 0.008 + 0.45 * column, (below + 0.955) / rows
        figure.text(left, top, title, ha="left", va="top", fontsize=8.5, fontweight="bold", parse_math=False)
    bar = figure.add_axes((0.912, (rows - 1 + 0.06) / rows, 0.02, 0.765 / rows))
    figure.colorbar(ScalarMappable(scale, COLOURS), cax=bar, ticks=sorted({0, 1, *np.floor([highest])}))
    bar.axhline(1, color="white", linewidth=1.5)
    bar.tick_params(labelsize=8, length=2)
    return _png(canvas)


def _png(canvas: FigureCanvasAgg) -> bytes:
    canvas.draw()
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).save(buffer, format="PNG")
    return buffer.getvalue()
