"""Say on a page what intake took in, what it left out and why, and what tells the label without a lung.

Makes R/report/intake.html, R/report/intake.tsv and R/report/intake_labels.tsv from the cohorts' tables and images.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.files import write_text
from lungsight.program import parser, run, say
from lungsight.report.intake_page import IntakeResults, render_intake
from lungsight.tables import columns_of, read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--facts", type=json.loads, required=True, help="what the config says, as JSON")
    arguments.add_argument("--duplicates", type=Path, help="their table, where a cohort has labels")
    arguments.add_argument("--page", type=Path, required=True)
    arguments.add_argument("--counts", type=Path, required=True)
    arguments.add_argument("--told", type=Path, required=True, help="how well the label can be told by each aspect")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    folders = {cohort["name"]: args.results / "cohorts" / cohort["name"] for cohort in args.facts["cohorts"]}
    results = IntakeResults(
        folder=args.results,
        facts=args.facts,
        cases={name: read_table(folder / "cases.tsv", schema="cases") for name, folder in folders.items()},
        slices={name: read_table(folder / "slices.tsv", schema="slices") for name, folder in folders.items()},
        duplicates=(
            read_table(args.duplicates, schema="duplicates")
            if args.duplicates
            else pd.DataFrame(columns=columns_of("duplicates"))
        ),
    )
    write_table(args.counts, results.counts(), schema="intake")
    write_table(args.told, results.told(), schema="intake_labels")
    page = render_intake(results)
    write_text(args.page, page)
    say(f"{len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
