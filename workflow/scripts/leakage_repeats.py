"""Make report/leakage_repeats.tsv, what a split by slice adds over several splits and starts, from all predictions."""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.evaluation.leakage_inflation.repeats import repeat_rows
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="named <pipeline>.tsv, and <pipeline>-r<k>.tsv"
    )
    arguments.add_argument("--cohort", required=True, help="cohort of the experiment")
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--fractions", type=float, nargs=3, required=True, help="of train, val and test")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    train, _, test = args.fractions
    repeats: dict[str, list[pd.DataFrame]] = {}
    for path in args.predictions:
        pipeline = Pipeline.parse(path.stem)._replace(replicate=1).name
        repeats.setdefault(pipeline, []).append(read_table(path, "leakage_predictions"))
    rows = [
        row
        for name, tables in repeats.items()
        for row in repeat_rows(tables, name, args.cohort, **args.statistics, test_over_train=test / train)
    ]
    write_table(args.table, rows, schema="leakage_repeats")


if __name__ == "__main__":
    run(main)
