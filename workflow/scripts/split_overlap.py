"""Make report/leakage.tsv, what the subsets of every split share, from the splits and the digests of the slices."""

import argparse
import itertools
import json
from pathlib import Path

import pandas as pd

from lungsight.layout import SLICES, cohort_folder, split_file
from lungsight.program import parser, run
from lungsight.splits.groups import with_duplicates
from lungsight.splits.overlap import overlap_of, with_pixels
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--duplicates", type=Path, required=True, help="near duplicates of all cohorts")
    arguments.add_argument("--units", type=json.loads, required=True, help="cohort → what it is split by, as JSON")
    arguments.add_argument("--unknown", nargs="*", default=[], help="cohorts whose patients are unknown")
    arguments.add_argument("--input-views", nargs="+", required=True, help="whole, segmented")
    arguments.add_argument("--leakage", type=Path, required=True, help="output")
    return arguments.parse_args()


def read_splits(args: argparse.Namespace) -> dict[tuple[str, str], pd.DataFrame]:
    """Read every split, by cohort and input view, with the digest of each slice and its near duplicates."""
    duplicates = read_table(args.duplicates, schema="duplicates")
    slices = {name: read_table(cohort_folder(args.results, name) / SLICES, schema="slices") for name in args.units}
    splits = {}
    for cohort, view in itertools.product(args.units, args.input_views):
        split = read_table(split_file(args.results, cohort, view), schema="split")
        splits[cohort, view] = with_duplicates(with_pixels(split, slices[cohort]), duplicates)
    return splits


def main() -> None:
    """Write the table."""
    args = parse_args()
    splits, rows = read_splits(args), []
    for (cohort, view), split in splits.items():
        others = [other for key, other in splits.items() if key[0] != cohort and key[1] == view]
        counts = overlap_of(split, others, cohort not in args.unknown)
        rows.append({"cohort": cohort, "framework": view, "unit": args.units[cohort], **counts})
    write_table(args.leakage, rows, schema="leakage")


if __name__ == "__main__":
    run(main)
