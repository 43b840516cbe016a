"""Pictures of where a model looks in new scans."""

from pathlib import Path

import pandas as pd

from lungsight.explain.overlays import draw_overlay
from lungsight.explain.resample import upsample_bilinear
from lungsight.predict.cases import pictured
from lungsight.predict.inference import Answer
from lungsight.wording import number


def draw_pictures(folder: Path, answer: Answer, cases: pd.DataFrame) -> None:
    """Draw `cases.pictured` slices into `folder`, as <slice>-<position>.png; a page finds them by that name.

    cases: the table `cases`; of a scan, not of a picture, it is known which side is the patient's right.
    """
    scans = set(cases.loc[cases["kind"] != "image", "case"])
    folder.mkdir(parents=True, exist_ok=True)
    shown = answer.shown
    for row in pictured(answer.slices).itertuples():
        heat = upsample_bilinear(answer.maps[[row.Index]], shown.masks.shape[1:])[0]
        title = f"slice {row.z_index} · p = {row.probability:.2f}"
        detail = f"enrichment {number(row.enrichment)} · lung mass {number(row.lung_mass)}"
        sided = row.case in scans
        picture = draw_overlay(shown.images[row.Index], shown.masks[row.Index], heat, title, detail, sided)
        (folder / f"{row.slice}-{row.position}.png").write_bytes(picture)
