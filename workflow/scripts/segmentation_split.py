"""Put the patients of the segmentation cohort on train, val and test."""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run
from lungsight.segmentation.split import split_cases, with_given_sides
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--fractions", type=json.loads, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--given", type=json.loads, default={}, help="row → side, by other cohorts' tables, as JSON")
    arguments.add_argument("--split", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    cases = with_given_sides(read_table(args.cases, schema="cases"), args.given)
    write_table(args.split, split_cases(cases, args.fractions, args.seed), schema="segmentation_split")


if __name__ == "__main__":
    run(main)
