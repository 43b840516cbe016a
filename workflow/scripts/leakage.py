"""Count what the sides of every split share, from the splits and the slices' digests."""

import itertools
from argparse import Namespace
from pathlib import Path

from lungsight.program import parser, run
from lungsight.splits.leakage import leakage_of
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohorts", nargs="+", required=True)
    arguments.add_argument("--frameworks", nargs="+", required=True)
    arguments.add_argument("--unknown", nargs="*", default=[], help="cohorts whose patients are unknown")
    arguments.add_argument("--unit", choices=["patient", "slice"], required=True)
    arguments.add_argument("--slices", type=Path, nargs="+", required=True, help="a table per cohort")
    arguments.add_argument("--splits", type=Path, nargs="+", required=True, help="per cohort a table per framework")
    arguments.add_argument("--leakage", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    slices = dict(zip(args.cohorts, (read_table(path, schema="slices") for path in args.slices), strict=True))
    rows = []
    for (cohort, framework), path in zip(itertools.product(args.cohorts, args.frameworks), args.splits, strict=True):
        counts = leakage_of(read_table(path, schema="split"), slices[cohort], cohort not in args.unknown)
        rows.append({"cohort": cohort, "framework": framework, "unit": args.unit, **counts})
    write_table(args.leakage, rows, schema="leakage")


if __name__ == "__main__":
    run(main)
