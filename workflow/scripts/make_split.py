"""Split a cohort's kept slices into train, val and test for every framework, from its cases, slices and manifest."""

from argparse import Namespace
from pathlib import Path

from lungsight.program import parser, run, say
from lungsight.splits.checks import check_framework
from lungsight.splits.cohorts import Cohort, in_framework, split_cohorts
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort to write")
    arguments.add_argument("--names", nargs="+", required=True, help="cohorts assigned together, in the config's order")
    arguments.add_argument("--roles", nargs="+", required=True, help="their roles")
    arguments.add_argument("--cases", type=Path, nargs="+", required=True, help="their tables")
    arguments.add_argument("--slices", type=Path, nargs="+", required=True)
    arguments.add_argument("--manifests", type=Path, nargs="+", required=True)
    arguments.add_argument("--unit", choices=["patient", "slice"], required=True)
    arguments.add_argument("--fractions", type=float, nargs=3, required=True, help="of train, val and test")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--labels", nargs=2, required=True, help="names of the two classes")
    arguments.add_argument("--frameworks", nargs="+", required=True)
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


def main() -> None:
    args = parse_args()
    cohorts = read_cohorts(args)
    cohort = cohorts[args.cohort]
    split = split_cohorts(list(cohorts.values()), args.unit, args.fractions, args.seed)
    tables = {framework: in_framework(split, cohort, framework) for framework in args.frameworks}
    for framework, table in tables.items():
        for warning in check_framework(table, cohort, framework, args.unit, args.labels):
            say(warning)
    for path, (framework, table) in zip(args.splits, tables.items(), strict=True):
        write_table(path, table, schema="split")
        say(f"cohort {cohort.name}, framework {framework}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
