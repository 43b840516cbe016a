"""Make report/subgroups.tsv, test metrics by source, scanner, kernel and contrast, from tables and predictions."""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.evaluation.subgroups import groupings_of, subgroup_rows
from lungsight.program import parser, run
from lungsight.tables import columns_of, read_table, write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    arguments.add_argument("--cohorts", type=Path, nargs="+", required=True, help="folders with slices.tsv, cases.tsv")
    arguments.add_argument("--subgroups", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    groups = {
        folder.name: groupings_of(*(read_table(folder / f"{name}.tsv", name) for name in ("slices", "cases")))
        for folder in args.cohorts
    }
    rows = []
    for path in args.predictions:
        pipeline, stage, _, _ = path.parts[-4:]
        model = {"pipeline": pipeline, **Pipeline.parse(pipeline).columns, "stage": int(stage.removeprefix("stage"))}
        predictions = read_table(path, "predictions")
        found = subgroup_rows(predictions, groups[path.stem], **args.statistics)
        rows += [{**model, "cohort": path.stem, **row} for row in found]
    write_table(args.subgroups, pd.DataFrame(rows, columns=columns_of("subgroups")), schema="subgroups")


if __name__ == "__main__":
    run(main)
