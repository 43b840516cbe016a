"""Make report/renormalised.tsv from every model's metrics.json: metrics of cohorts that lack a class."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import columns_of, write_table

MODEL = ("pipeline", "framework", "backbone", "weights", "stage")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json of each model")
    arguments.add_argument("--renormalised", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    found = [read_json(path) for path in args.metrics]
    rows = [{key: model[key] for key in MODEL} | row for model in found for row in model["renormalised"]]
    write_table(args.renormalised, pd.DataFrame(rows, columns=columns_of("renormalised")), schema="renormalised")


if __name__ == "__main__":
    run(main)
