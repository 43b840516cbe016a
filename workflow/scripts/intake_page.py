"""Make the page of intake, what was taken in and left out and what predicts the label, from the cohorts' tables."""

import argparse
import json
from pathlib import Path

from lungsight.audit.forensics import read_answers, read_traces
from lungsight.files import write_text
from lungsight.intake.duplicates import read_duplicates
from lungsight.program import log, parser, run
from lungsight.report.intake_page import IntakeResults, render_intake
from lungsight.run_description import labelled_cohorts_of
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--duplicates", type=Path, nargs="?", help="duplicates.tsv; none where no cohort has labels")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    folders = {cohort["name"]: args.results / "cohorts" / cohort["name"] for cohort in args.run["cohorts"]}
    labelled = labelled_cohorts_of(args.run)
    results = IntakeResults(
        folder=args.results,
        run=args.run,
        cases={name: read_table(folder / "cases.tsv", schema="cases") for name, folder in folders.items()},
        slices={name: read_table(folder / "slices.tsv", schema="slices") for name, folder in folders.items()},
        duplicates=read_duplicates(args.duplicates),
        counts=read_table(args.results / "report/intake.tsv", schema="intake"),
        predictability=read_table(args.results / "report/intake_labels.tsv", schema="intake_labels"),
        traces={name: read_traces(folders[name]) for name in labelled},
        forensics=read_answers(args.results, labelled),
    )
    page = render_intake(results)
    write_text(args.page, page)
    log(f"{len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
