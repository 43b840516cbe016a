"""Make the page on which a person reviews the lung masks of a cohort from its slices, masks and scores."""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungsight.files import write_text
from lungsight.layout import CASES, SLICES
from lungsight.parallel import in_processes
from lungsight.program import parser, progress, run
from lungsight.qc.page import page_data, render, save_picture
from lungsight.qc.rules import decide
from lungsight.qc.volumes import masks_of
from lungsight.rows import CasesRow, SlicesRow
from lungsight.tables import read_table, rows_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    arguments.add_argument("--scores", type=Path, required=True, help="scores of the cohort's slices")
    arguments.add_argument("--masks", type=Path, required=True, help="folder with a folder of lung masks per shard")
    arguments.add_argument("--rules", type=json.loads, required=True, help="the limits of qc.rules, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are drawn at once")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    arguments.add_argument("--images", type=Path, required=True, help="output folder, for a picture of each slice")
    return arguments.parse_args()


def draw_case(drawn: tuple[CasesRow, pd.DataFrame], cohort: Path, masks: Path, images: Path) -> None:
    """Write a picture of each slice of a case. drawn: its rows of the tables `cases` and `slices`."""
    case, slices = drawn
    rows = rows_of(slices, SlicesRow)
    pictures = [np.asarray(Image.open(cohort / row["png"])) for row in rows]
    lungs = masks_of(case, masks, (*pictures[0].shape[::-1], len(rows)))
    for row, picture in zip(rows, pictures, strict=True):
        mask = np.zeros(picture.shape, bool) if lungs is None else lungs[row["z_index"]]
        save_picture(images / f"{row['slice']}.jpg", picture, mask)


def main() -> None:
    """Write the page and its pictures."""
    args = parse_args()
    args.images.mkdir(parents=True, exist_ok=True)
    slices_of = dict(list(read_table(args.cohort / SLICES, schema="slices").groupby("case", sort=False)))
    cases = read_table(args.cohort / CASES, schema="cases").query("status == 'ok'")
    wanted = ((case, slices_of[case["case"]]) for case in rows_of(cases, CasesRow))
    draw = partial(draw_case, cohort=args.cohort, masks=args.masks, images=args.images)
    for _ in progress(in_processes(draw, wanted, args.threads), "cases", total=len(cases)):
        pass
    scores = read_table(args.scores, schema="scores")
    sided = bool((cases["kind"] != "image").all())
    write_text(args.page, render(page_data(args.cohort.name, scores, decide(scores, args.rules), sided)))


if __name__ == "__main__":
    run(main)
