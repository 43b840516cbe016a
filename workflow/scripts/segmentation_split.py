"""Put the patients of the segmentation cohort, or its slices, on train, val and test."""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.prior_assignments import assignments_of_earlier_run, fill_in
from lungsight.program import parser, run
from lungsight.segmentation.split import UNITS, split_cases, with_preassigned_subsets
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--fractions", type=json.loads, required=True)
    arguments.add_argument("--unit", choices=UNITS, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument(
        "--preassigned", type=json.loads, default={}, help="row → side, by other cohorts' tables, as JSON"
    )
    arguments.add_argument("--previous", type=Path, help="results folder of an earlier run")
    arguments.add_argument("--private", type=Path, help="the cohort's private table, for --previous")
    arguments.add_argument("--shared-ids", action="store_true")
    arguments.add_argument("--split", type=Path, required=True)
    return arguments.parse_args()


def with_prior_assignments(args: argparse.Namespace) -> pd.DataFrame:
    """The cases, with the side that their patient has elsewhere in `preassigned_split`; none where nothing is trained."""
    cases = with_preassigned_subsets(read_table(args.cases, schema="cases"), args.preassigned)
    if not args.previous or args.fractions is None:
        return cases
    known = assignments_of_earlier_run(
        args.previous, {args.cohort: args.private}, {args.cohort: cases}, args.shared_ids
    )
    filled = fill_in(cases.assign(cohort=args.cohort, preassigned=cases["preassigned_split"]), known)
    return cases.assign(preassigned_split=filled["preassigned"])


def main() -> None:
    args = parse_args()
    split = split_cases(with_prior_assignments(args), args.fractions, args.seed, args.unit)
    write_table(args.split, split, schema="segmentation_split")


if __name__ == "__main__":
    run(main)
