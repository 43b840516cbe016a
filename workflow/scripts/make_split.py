"""Make the split of a cohort's kept slices into train, val and test from its cases and slices.

Writes splits/<cohort>/<input view>.tsv of the run. A slice is in the same subset in every input view.
"""

import argparse
import json
from pathlib import Path

from lungsight.layout import CASES, SLICES, cohort_folder, kept_file
from lungsight.prior_assignments import PriorAssignments, assignments_of_earlier_run, segmentation_assignments
from lungsight.program import log, parser, run
from lungsight.splits.checks import check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort to write")
    arguments.add_argument("--settings", type=json.loads, required=True, help="what the split follows, as JSON")
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder, which the splits go into")
    arguments.add_argument("--duplicates", type=Path, nargs="?", help="near duplicates to keep together, if any")
    arguments.add_argument("--segmentation-split", type=Path, nargs="?", help="where that cohort shares patients")
    arguments.add_argument("--private", type=Path, required=True, help="the run's private folder, for an earlier run")
    arguments.add_argument("--input-view", required=True, help="whole or segmented")
    arguments.add_argument("--split", type=Path, required=True, help="output")
    return arguments.parse_args()


def read_cohort(results: Path, name: str, role: str, input_view: str) -> CohortTables:
    """Read the tables of one cohort, and which slices quality control keeps whole and in the input view."""
    folder = cohort_folder(results, name)
    cases, slices = read_table(folder / CASES, "cases"), read_table(folder / SLICES, "slices")
    keep = {
        view: read_table(kept_file(results, name, view), "kept").set_index("slice")["keep"]
        for view in ("whole", input_view)
    }
    return CohortTables(name, role, cases, slices, keep)


def read_prior_assignments(args: argparse.Namespace, cohorts: dict[str, CohortTables]) -> list[PriorAssignments]:
    """Read where patients already are: in an earlier run, and in the split of the lung segmentation."""
    found, previous = [], args.settings["splits"]["previous"]
    if previous:
        private = {name: args.private / f"{name}.tsv" for name in cohorts}
        cases = {name: cohort.cases for name, cohort in cohorts.items()}
        ids = (args.settings[name] for name in ("shared_ids", "patient_ids"))
        found.append(assignments_of_earlier_run(Path(previous), private, cases, *ids))
    if args.segmentation_split:
        found.append(segmentation_assignments(read_table(args.segmentation_split, "segmentation_split")))
    return found


def main() -> None:
    """Write the split of the cohort."""
    args = parse_args()
    settings = args.settings
    cohorts = {
        name: read_cohort(args.results, name, role, args.input_view) for name, role in settings["cohorts"].items()
    }
    cohort, plan = cohorts[args.cohort], SplitPlan.of(settings["splits"], settings["unit"], settings["seed"])
    duplicates = read_table(args.duplicates, "duplicates") if args.duplicates else None
    split = split_cohorts(list(cohorts.values()), plan, duplicates, read_prior_assignments(args, cohorts))
    table = in_input_view(split, cohort, args.input_view)
    for warning in check_input_view(table, cohort, args.input_view, settings["unit"], settings["labels"]):
        log(warning)
    write_table(args.split, table, schema="split")
    log(f"cohort {cohort.name}, framework {args.input_view}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
