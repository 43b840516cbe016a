"""Make sure, before any scan is read, that a cohort can be split at all, from the users' tables alone."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_text
from lungsight.intake.cohort_table import read_rows
from lungsight.program import log, parser, run
from lungsight.splits.checks import check_classes, check_input_view
from lungsight.splits.cohort_split import CohortTables, SplitPlan, in_input_view, split_cohorts
from lungsight.splits.precheck import cohort_of_rows


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort to check")
    arguments.add_argument(
        "--tables", type=Path, nargs="+", required=True, help="cohort tables, in the settings' order"
    )
    arguments.add_argument("--settings", type=json.loads, required=True, help="what the split follows, as JSON")
    arguments.add_argument("--labels", type=json.loads, required=True, help="class name → the user's words, as JSON")
    arguments.add_argument("--checked", type=Path, required=True, help="output: a sentence")
    return arguments.parse_args()


def warnings_of(cohorts: dict[str, CohortTables], name: str, settings: dict) -> list[str]:
    """Return what is weak about the split of a cohort. Raise UserError where it is impossible."""
    cohort, unit, labels = cohorts[name], settings["unit"], settings["labels"]
    if unit == "slice":  # how many slices a series has is known when it is read
        return check_classes(cohort.kept("whole"), cohort, "whole", labels)
    # Duplicates are known later; patients who share images can only make the units fewer.
    known = "patient" if unit == "patient+duplicates" else unit
    split = split_cohorts(list(cohorts.values()), SplitPlan.of(settings["splits"], known, settings["seed"]))
    return check_input_view(in_input_view(split, cohort, "whole"), cohort, "whole", unit, labels)


def main() -> None:
    """Check the split, and write a sentence as a sign."""
    args = parse_args()
    settings = args.settings
    cohorts = {
        name: cohort_of_rows(
            name, role, read_rows(table, args.labels, settings["patient_ids"][name]), settings["shared_ids"]
        )
        for (name, role), table in zip(settings["cohorts"].items(), args.tables, strict=True)
    }
    for warning in warnings_of(cohorts, args.cohort, settings):
        log(warning)
    patients = cohorts[args.cohort].slices["patient"].nunique()
    write_text(args.checked, f"{patients} patients of the table, split by {settings['unit']}\n")


if __name__ == "__main__":
    run(main)
