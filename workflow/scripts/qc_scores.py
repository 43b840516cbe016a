"""Make the scores of every slice of a cohort from its volumes and lung masks."""

import argparse
import json
import math
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from lungsight.layout import CASES, NIFTI, SLICES
from lungsight.parallel import in_processes
from lungsight.program import parser, progress, run
from lungsight.qc.scores import volume_scores
from lungsight.qc.volumes import read_case
from lungsight.rows import CasesRow
from lungsight.tables import columns_of, read_table, rows_of, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: cases, slices, volumes")
    arguments.add_argument("--masks", type=Path, required=True, help="folder with a folder of lung masks per shard")
    arguments.add_argument("--levels", type=json.loads, required=True, help="soft_level and air_level, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are scored at once")
    arguments.add_argument("--scores", type=Path, required=True, help="output")
    return arguments.parse_args()


def scores_of(case: CasesRow, nifti: Path, masks: Path, levels: dict[str, float]) -> list[dict[str, Any]]:
    """Score the slices of a case: a row each, with case and z_index."""
    scanned = not math.isnan(case["spacing_row"])  # a picture has no spacing, and its window is unknown
    scored = volume_scores(*read_case(case, nifti, masks), **levels, known_window=scanned)
    return [{"case": case["case"], "z_index": z_index, **scores} for z_index, scores in enumerate(scored)]


def main() -> None:
    """Write the scores."""
    args = parse_args()
    slices = read_table(args.cohort / SLICES, schema="slices")
    cases = read_table(args.cohort / CASES, schema="cases").query("status == 'ok'")
    score = partial(scores_of, nifti=args.cohort / NIFTI, masks=args.masks, levels=args.levels)
    scored = in_processes(score, rows_of(cases, CasesRow), args.threads)
    rows = [row for rows in progress(scored, "cases", total=len(cases)) for row in rows]
    # The columns are there too where no case could be read.
    table = pd.DataFrame(rows, columns=["case", "z_index", *columns_of("scores")[1:]])
    scores = slices[["slice", "case", "z_index"]].merge(table, on=["case", "z_index"], validate="1:1")
    write_table(args.scores, scores.drop(columns=["case", "z_index"]), schema="scores")


if __name__ == "__main__":
    run(main)
