"""Make the page of the risk of bias and of the flow diagrams from risk.tsv and flow.tsv."""

import argparse
from pathlib import Path

from lungsight.checklists.pages import render_risk
from lungsight.files import write_text
from lungsight.program import parser, run
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--risk", type=Path, required=True, help="risk.tsv")
    arguments.add_argument("--flow", type=Path, required=True, help="flow.tsv")
    arguments.add_argument("--title", required=True, help="title of the run")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    write_text(args.page, render_risk(args.title, read_table(args.risk, "risk"), read_table(args.flow, "flow")))


if __name__ == "__main__":
    run(main)
