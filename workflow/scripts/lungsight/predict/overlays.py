"""Pictures of where a model looks in new scans."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.overlays import draw_overlay
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.stage import SliceImages
from lungsight.predict.cases import pictured
from lungsight.report.wording import number


def draw_pictures(folder: Path, slices: pd.DataFrame, shown: SliceImages, maps: np.ndarray) -> None:
    """Draw `cases.pictured` slices into `folder`, as <slice>-<position>.png; a page finds them by that name.

    slices: with probability, lung_mass and enrichment, a row for each of `shown` and of the raw maps (n, h, w).
    """
    folder.mkdir(parents=True, exist_ok=True)
    for row in pictured(slices).itertuples():
        heat = upsample_bilinear(maps[[row.Index]], shown.masks.shape[1:])[0]
        title = f"slice {row.z_index} · p = {row.probability:.2f}"
        detail = f"enrichment {number(row.enrichment)} · lung mass {number(row.lung_mass)}"
        picture = draw_overlay(shown.images[row.Index], shown.masks[row.Index], heat, title, detail)
        (folder / f"{row.slice}-{row.position}.png").write_bytes(picture)
