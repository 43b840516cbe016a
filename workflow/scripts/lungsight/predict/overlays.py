"""Draw where a model looks in new scans."""

from pathlib import Path

import pandas as pd

from lungsight.explain.overlays import draw_overlay
from lungsight.explain.resample import upsample_bilinear
from lungsight.predict.cases import slices_to_draw
from lungsight.predict.inference import SlicePredictions
from lungsight.rows import NewSlicePredictionsRow
from lungsight.tables import rows_of
from lungsight.wording import number


class DrawnSlice(NewSlicePredictionsRow):
    """Row of `cases.slices_to_draw`."""

    position: str


def draw_pictures(folder: Path, predictions: SlicePredictions, cases: pd.DataFrame) -> None:
    """Draw the slices of `slices_to_draw` into `folder`, as <slice>-<position>.png, where the page finds them.

    cases: the table `cases`. The patient's right is marked in scans; in pictures, the side is unknown.
    """
    scans = set(cases.loc[cases["kind"] != "image", "case"])
    folder.mkdir(parents=True, exist_ok=True)
    drawn, images = slices_to_draw(predictions.slices), predictions.images
    for index, row in zip(drawn.index, rows_of(drawn, DrawnSlice), strict=True):
        heat = upsample_bilinear(predictions.maps[[index]], images.masks.shape[1:])[0]
        title = f"slice {row['z_index']} · p = {row['probability']:.2f}"
        detail = f"enrichment {number(row['enrichment'])} · lung mass {number(row['lung_mass'])}"
        sided = row["case"] in scans
        picture = draw_overlay(images.images[index], images.masks[index], heat, title, detail, sided)
        (folder / f"{row['slice']}-{row['position']}.png").write_bytes(picture)
