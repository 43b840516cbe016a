"""Make the page of the transfer study from transfer_study.tsv and transfer_summary.tsv."""

import argparse
from pathlib import Path

from lungsight.files import write_text
from lungsight.program import parser, run
from lungsight.report.transfer_page import render_transfer
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="transfer_study.tsv")
    arguments.add_argument("--summary", type=Path, required=True, help="transfer_summary.tsv")
    arguments.add_argument("--title", required=True, help="title of the run")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    trainings, summary = read_table(args.table, "transfer_study"), read_table(args.summary, "transfer_summary")
    write_text(args.page, render_transfer(args.title, trainings, summary))


if __name__ == "__main__":
    run(main)
