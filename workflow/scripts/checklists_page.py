"""Make the page of the checklists from checklists.tsv."""

import argparse
from pathlib import Path

from lungsight.checklists.items import read_checklists
from lungsight.checklists.pages import render_checklists
from lungsight.files import write_text
from lungsight.program import parser, run
from lungsight.rows import ChecklistsRow
from lungsight.tables import read_table, rows_of


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--checklists", type=Path, required=True, help="checklists.tsv")
    arguments.add_argument("--title", required=True, help="title of the run")
    arguments.add_argument("--has-study", choices=["yes", "no"], required=True, help="whether there is a study file")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    rows = rows_of(read_table(args.checklists, "checklists"), ChecklistsRow)
    write_text(args.page, render_checklists(args.title, read_checklists(), rows, args.has_study == "yes"))


if __name__ == "__main__":
    run(main)
