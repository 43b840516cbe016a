"""Count what intake took in and what it left out, and how well one aspect alone predicts the label.

Makes report/intake.tsv and report/intake_labels.tsv from the cohorts' tables.
"""

import argparse
import json
from pathlib import Path

from lungsight.intake.summary_tables import counts_of_cohorts, predictability_of_cohorts, read_duplicates
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--duplicates", type=Path, help="duplicates.tsv, where a cohort has labels")
    arguments.add_argument("--counts", type=Path, required=True, help="output")
    arguments.add_argument("--predictability", type=Path, required=True, help="output: label predictability by aspect")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    cohorts = args.run["cohorts"]
    cases = {
        cohort["name"]: read_table(args.results / "cohorts" / cohort["name"] / "cases.tsv", schema="cases")
        for cohort in cohorts
    }
    labelled = [cohort["name"] for cohort in cohorts if cohort["labelled"]]
    write_table(args.counts, counts_of_cohorts(cases, read_duplicates(args.duplicates)), schema="intake")
    predictability = predictability_of_cohorts({name: cases[name] for name in labelled}, args.run["labels"][0])
    write_table(args.predictability, predictability, schema="intake_labels")


if __name__ == "__main__":
    run(main)
