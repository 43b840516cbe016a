"""Draw where a model looks in new scans."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.overlays import draw_overlay
from lungsight.explain.resample import upsample_bilinear
from lungsight.training.image_cache import CachedImages
from lungsight.wording import number


def draw_pictures(
    folder: Path,
    slices: pd.DataFrame,
    images: CachedImages,
    masks: CachedImages,
    maps: np.ndarray,
    cases: pd.DataFrame,
) -> None:
    """Draw n slices into `folder`, as <slice>-<position>.png; a page finds them by that name.

    Parameters
    ----------
    folder
        Made where it is missing.
    slices
        Of n slices the rows that `cases.pictured` chose.
    images, masks
        The cache of the scans.
    maps
        (n, h, w) raw maps of these slices.
    cases
        The table `cases`. Of a scan, not of a picture, it is known which side is the patient's right.
    """
    scans = set(cases.loc[cases["kind"] != "image", "case"])
    folder.mkdir(parents=True, exist_ok=True)
    for row, place, one in zip(slices.to_dict("records"), images.rows_of(slices["slice"]), maps, strict=True):
        mask = np.asarray(masks.pixels[place]) > 0
        heat = upsample_bilinear(one[None], mask.shape)[0]
        title = f"slice {row['z_index']} · p = {row['probability']:.2f}"
        detail = f"enrichment {number(row['enrichment'])} · lung mass {number(row['lung_mass'])}"
        picture = draw_overlay(np.asarray(images.pixels[place]), mask, heat, title, detail, row["case"] in scans)
        (folder / f"{row['slice']}-{row['position']}.png").write_bytes(picture)
