"""Draw where a model looks in new scans."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.overlays import draw_overlay, shortened
from lungsight.explain.resample import upsample_bilinear
from lungsight.rows import NewSlicePredictionsRow
from lungsight.tables import rows_of
from lungsight.training.image_cache import CachedImages
from lungsight.wording import number


class DrawnSlice(NewSlicePredictionsRow):
    """Row of `cases.slices_to_draw`."""

    position: str


def draw_pictures(
    folder: Path,
    slices: pd.DataFrame,
    images: CachedImages,
    masks: CachedImages,
    maps: np.ndarray,
    cases: pd.DataFrame,
) -> None:
    """Draw n slices into `folder`, as <slice>-<position>.png, where the page finds them.

    Parameters
    ----------
    folder
        It is made if it is missing.
    slices
        The n rows that `cases.slices_to_draw` chose.
    images, masks
        Cached images and lung masks of the scans.
    maps : (n, h, w) float32
        Raw maps of these slices.
    cases
        The table `cases`. The patient's right is marked in scans; in pictures, the side is unknown.
    """
    scans = set(cases.loc[cases["kind"] != "image", "case"])
    folder.mkdir(parents=True, exist_ok=True)
    for row, place, raw_map in zip(rows_of(slices, DrawnSlice), images.rows_of(slices["slice"]), maps, strict=True):
        mask = np.asarray(masks.pixels[place]) > 0
        heat = upsample_bilinear(raw_map[None], mask.shape)[0]
        shown = f"p = {row['probability']:.2f}"
        if "explained" in row and "explained_probability" in row:
            shown = f"map of {shortened(row['explained'])}, p = {row['explained_probability']:.2f}"
        title = f"slice {row['z_index']} · {shown}"
        detail = f"enrichment {number(row['enrichment'])} · lung mass {number(row['lung_mass'])}"
        picture = draw_overlay(np.asarray(images.pixels[place]), mask, heat, title, detail, row["case"] in scans)
        (folder / f"{row['slice']}-{row['position']}.png").write_bytes(picture)
