"""Make a cohort's forensics.tsv from those of its shards: a row for every row of slices.tsv, in its order."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.layout import FORENSICS, SHARDS, SLICES
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--shards", nargs="+", required=True, help="names of the cohort's shards")
    arguments.add_argument("--cohort", type=Path, required=True, help="output: folder of the cohort")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    shards = [args.cohort / SHARDS / name for name in args.shards]
    measured = pd.concat([read_table(folder / FORENSICS, schema="forensics") for folder in shards])
    slices = read_table(args.cohort / SLICES, schema="slices")[["slice"]]
    table = slices.merge(measured, on="slice", how="left", validate="one_to_one")
    write_table(args.cohort / FORENSICS, table, schema="forensics")
    log(f"{len(table)} slices")


if __name__ == "__main__":
    run(main)
