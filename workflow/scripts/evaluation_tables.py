"""Make report/aggregation.tsv and report/reliability.tsv from every model's metrics.json."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import columns_in, write_table

MODEL = ("pipeline", "framework", "backbone", "weights", "stage")


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--metrics", type=Path, nargs="+", required=True, help="metrics.json of each model")
    for name in ("aggregation", "reliability"):
        arguments.add_argument(f"--{name}", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write both tables."""
    args = parse_args()
    found = [read_json(path) for path in args.metrics]
    for name, path in (("aggregation", args.aggregation), ("reliability", args.reliability)):
        rows = [{key: model[key] for key in MODEL} | row for model in found for row in model[name]]
        write_table(path, pd.DataFrame(rows, columns=columns_in(name, rows)), schema=name)


if __name__ == "__main__":
    run(main)
