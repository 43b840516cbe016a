"""Count what the sides of every split share, also with other cohorts, from the splits and the slices' digests."""

import itertools
from argparse import Namespace
from pathlib import Path

from lungsight.program import parser, run
from lungsight.splits.groups import with_duplicates
from lungsight.splits.overlap import leakage_of, with_pixels
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohorts", nargs="+", required=True)
    arguments.add_argument("--frameworks", nargs="+", required=True)
    arguments.add_argument("--unknown", nargs="*", default=[], help="cohorts whose patients are unknown")
    arguments.add_argument("--units", nargs="+", required=True, help="what each cohort is split by")
    arguments.add_argument("--slices", type=Path, nargs="+", required=True, help="a table per cohort")
    arguments.add_argument("--splits", type=Path, nargs="+", required=True, help="per cohort a table per framework")
    arguments.add_argument("--duplicates", type=Path, required=True, help="twins of all cohorts")
    arguments.add_argument("--leakage", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    slices = dict(zip(args.cohorts, (read_table(path, schema="slices") for path in args.slices), strict=True))
    keys = itertools.product(args.cohorts, args.frameworks)
    duplicates = read_table(args.duplicates, schema="duplicates")
    splits = {
        (cohort, framework): with_duplicates(with_pixels(read_table(path, schema="split"), slices[cohort]), duplicates)
        for (cohort, framework), path in zip(keys, args.splits, strict=True)
    }
    units = dict(zip(args.cohorts, args.units, strict=True))
    rows = []
    for (cohort, framework), split in splits.items():
        others = [other for key, other in splits.items() if key[0] != cohort and key[1] == framework]
        counts = leakage_of(split, others, cohort not in args.unknown)
        rows.append({"cohort": cohort, "framework": framework, "unit": units[cohort], **counts})
    write_table(args.leakage, rows, schema="leakage")


if __name__ == "__main__":
    run(main)
