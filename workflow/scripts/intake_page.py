"""Show on a page what intake took in, what it left out and why, and what predicts the label without a lung."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_text
from lungsight.intake.summary_tables import read_duplicates
from lungsight.program import log, parser, run
from lungsight.report.intake_page import IntakeResults, render_intake
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--duplicates", type=Path, help="duplicates.tsv, where a cohort has labels")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    folders = {cohort["name"]: args.results / "cohorts" / cohort["name"] for cohort in args.run["cohorts"]}
    results = IntakeResults(
        folder=args.results,
        facts=args.run,
        cases={name: read_table(folder / "cases.tsv", schema="cases") for name, folder in folders.items()},
        slices={name: read_table(folder / "slices.tsv", schema="slices") for name, folder in folders.items()},
        duplicates=read_duplicates(args.duplicates),
        counts=read_table(args.results / "report/intake.tsv", schema="intake"),
        predictability=read_table(args.results / "report/intake_labels.tsv", schema="intake_labels"),
    )
    page = render_intake(results)
    write_text(args.page, page)
    log(f"{len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
