"""Make report/intake.tsv and report/intake_labels.tsv from the tables of the cohorts.

They count what intake took in and what it left out, and say how well one aspect alone predicts the label.
"""

import argparse
import json
from pathlib import Path

from lungsight.classes import Classes
from lungsight.intake.counts import counts_of_cohorts
from lungsight.intake.duplicates import read_duplicates
from lungsight.intake.label_predictability import predictability_of_cohorts
from lungsight.layout import CASES, cohort_folder
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--duplicates", type=Path, nargs="?", help="duplicates.tsv; none where no cohort has labels")
    arguments.add_argument("--counts", type=Path, required=True, help="output")
    arguments.add_argument("--predictability", type=Path, required=True, help="output: label predictability by aspect")
    return arguments.parse_args()


def main() -> None:
    """Write both tables."""
    args = parse_args()
    cohorts = args.run["cohorts"]
    names = [cohort["name"] for cohort in cohorts]
    cases = {name: read_table(cohort_folder(args.results, name) / CASES, schema="cases") for name in names}
    labelled = {cohort["name"]: cases[cohort["name"]] for cohort in cohorts if cohort["labelled"]}
    write_table(args.counts, counts_of_cohorts(cases, read_duplicates(args.duplicates)), schema="intake")
    predictability = predictability_of_cohorts(labelled, Classes.of(args.run["labels"]).positive)
    write_table(args.predictability, predictability, schema="intake_labels")


if __name__ == "__main__":
    run(main)
