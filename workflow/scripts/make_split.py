"""Split a cohort's kept slices into train, val and test for every framework, from its cases, slices and manifest."""

import json
from argparse import Namespace
from pathlib import Path

from lungsight.known_sides import KnownSides, earlier_sides, segmentation_sides
from lungsight.program import parser, run, say
from lungsight.splits.checks import check_framework
from lungsight.splits.cohorts import Cohort, Plan, in_framework, split_cohorts
from lungsight.splits.groups import UNITS
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort to write")
    arguments.add_argument("--names", nargs="+", required=True, help="cohorts assigned together, in the config's order")
    arguments.add_argument("--roles", nargs="+", required=True, help="their roles")
    arguments.add_argument("--cases", type=Path, nargs="+", required=True, help="their tables")
    arguments.add_argument("--slices", type=Path, nargs="+", required=True)
    arguments.add_argument("--manifests", type=Path, nargs="+", required=True)
    arguments.add_argument("--unit", choices=list(UNITS), required=True)
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's splits, as JSON")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--labels", nargs=2, required=True, help="names of the two classes")
    arguments.add_argument("--frameworks", nargs="+", required=True)
    arguments.add_argument("--duplicates", type=Path, help="twins of all labelled cohorts")
    arguments.add_argument("--segmentation-split", type=Path, help="where that cohort shares patients")
    arguments.add_argument("--previous", type=Path, help="results folder of an earlier run")
    arguments.add_argument("--private", type=Path, nargs="*", help="private tables of the cohorts, for --previous")
    arguments.add_argument("--shared-ids", action="store_true")
    arguments.add_argument("--splits", type=Path, nargs="+", required=True, help="a table per framework")
    return arguments.parse_args()


def read_cohorts(args: Namespace) -> dict[str, Cohort]:
    """The cohorts by name."""
    files = zip(args.names, args.roles, args.cases, args.slices, args.manifests, strict=True)
    return {
        name: Cohort(
            name, role, read_table(cases, "cases"), read_table(slices, "slices"), read_table(manifest, "manifest")
        )
        for name, role, cases, slices, manifest in files
    }


def read_known_sides(args: Namespace, cohorts: dict[str, Cohort]) -> list[KnownSides]:
    """What else than the user's table says on which side a patient is."""
    known = []
    if args.previous:
        private = dict(zip(args.names, args.private, strict=True))
        cases = {name: cohort.cases for name, cohort in cohorts.items()}
        known.append(earlier_sides(args.previous, private, cases, args.shared_ids))
    if args.segmentation_split:
        known.append(segmentation_sides(read_table(args.segmentation_split, "segmentation_split")))
    return known


def main() -> None:
    args = parse_args()
    cohorts = read_cohorts(args)
    cohort, plan = cohorts[args.cohort], Plan.of(args.settings, args.unit, args.seed)
    duplicates = read_table(args.duplicates, "duplicates") if args.duplicates else None
    split = split_cohorts(list(cohorts.values()), plan, duplicates, read_known_sides(args, cohorts))
    tables = {framework: in_framework(split, cohort, framework) for framework in args.frameworks}
    for framework, table in tables.items():
        for warning in check_framework(table, cohort, framework, args.unit, args.labels):
            say(warning)
    for path, (framework, table) in zip(args.splits, tables.items(), strict=True):
        write_table(path, table, schema="split")
        say(f"cohort {cohort.name}, framework {framework}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
