"""Make report/leakage_inflation.tsv, what a split by slice adds to the metrics, from the experiment's predictions."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.leakage_inflation.inflation import inflation_rows
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="named <pipeline>.tsv")
    arguments.add_argument("--cohort", required=True, help="cohort of the experiment")
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--inflation", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    rows = [
        row
        for path in args.predictions
        for row in inflation_rows(read_table(path, "leakage_predictions"), path.stem, args.cohort, **args.statistics)
    ]
    write_table(args.inflation, rows, schema="leakage_inflation")


if __name__ == "__main__":
    run(main)
