"""Check, before any scan is read, that the users' tables of a cohort can be split at all."""

import json
from argparse import Namespace
from pathlib import Path

from lungsight.files import write_text
from lungsight.intake.cohort_table import read_rows
from lungsight.program import log, parser, run
from lungsight.splits.checks import check_classes, check_input_view
from lungsight.splits.cohort_split import SplitPlan, in_input_view, split_cohorts
from lungsight.splits.groups import UNITS
from lungsight.splits.precheck import cohort_of_rows


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort to check")
    arguments.add_argument("--names", nargs="+", required=True, help="cohorts assigned together, in the config's order")
    arguments.add_argument("--roles", nargs="+", required=True, help="their roles")
    arguments.add_argument("--tables", type=Path, nargs="+", required=True, help="their tables, as the user wrote them")
    arguments.add_argument("--unit", choices=list(UNITS), required=True)
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's splits, as JSON")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--labels", type=json.loads, required=True, help="class name → the user's words, as JSON")
    arguments.add_argument("--shared-ids", action="store_true")
    arguments.add_argument("--checked", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    cohorts = {
        name: cohort_of_rows(name, role, read_rows(table, args.labels), args.shared_ids)
        for name, role, table in zip(args.names, args.roles, args.tables, strict=True)
    }
    cohort, labels = cohorts[args.cohort], list(args.labels)
    if args.unit == "slice":  # how many slices a series has is known when it is read
        warnings = check_classes(cohort.kept("whole"), cohort, "whole", labels)
    else:
        # Twins are known later; patients who share images can only make the units fewer.
        unit = "patient" if args.unit == "patient+duplicates" else args.unit
        split = split_cohorts(list(cohorts.values()), SplitPlan.of(args.settings, unit, args.seed))
        warnings = check_input_view(in_input_view(split, cohort, "whole"), cohort, "whole", args.unit, labels)
    for warning in warnings:
        log(warning)
    write_text(args.checked, f"{cohort.slices['patient'].nunique()} patients of the table, split by {args.unit}\n")


if __name__ == "__main__":
    run(main)
