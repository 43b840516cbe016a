"""Split a cohort's kept slices into train, val and test for every framework, from its cases, slices and manifest."""

import json
from argparse import Namespace
from pathlib import Path

from lungsight.prior_assignments import PriorAssignments, assignments_of_earlier_run, segmentation_assignments
from lungsight.program import log, parser, run
from lungsight.splits.checks import check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
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


def read_cohorts(args: Namespace) -> dict[str, CohortTables]:
    """The cohorts by name."""
    files = zip(args.names, args.roles, args.cases, args.slices, args.manifests, strict=True)
    return {
        name: CohortTables(
            name, role, read_table(cases, "cases"), read_table(slices, "slices"), read_table(manifest, "manifest")
        )
        for name, role, cases, slices, manifest in files
    }


def read_prior_assignments(args: Namespace, cohorts: dict[str, CohortTables]) -> list[PriorAssignments]:
    """What else than the user's table says on which side a patient is."""
    known = []
    if args.previous:
        private = dict(zip(args.names, args.private, strict=True))
        cases = {name: cohort.cases for name, cohort in cohorts.items()}
        known.append(assignments_of_earlier_run(args.previous, private, cases, args.shared_ids))
    if args.segmentation_split:
        known.append(segmentation_assignments(read_table(args.segmentation_split, "segmentation_split")))
    return known


def main() -> None:
    args = parse_args()
    cohorts = read_cohorts(args)
    cohort, plan = cohorts[args.cohort], SplitPlan.of(args.settings, args.unit, args.seed)
    duplicates = read_table(args.duplicates, "duplicates") if args.duplicates else None
    split = split_cohorts(list(cohorts.values()), plan, duplicates, read_prior_assignments(args, cohorts))
    tables = {framework: in_input_view(split, cohort, framework) for framework in args.frameworks}
    for framework, table in tables.items():
        for warning in check_input_view(table, cohort, framework, args.unit, args.labels):
            log(warning)
    for path, (framework, table) in zip(args.splits, tables.items(), strict=True):
        write_table(path, table, schema="split")
        log(f"cohort {cohort.name}, framework {framework}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
