"""Make the report page of a run from its tables and pictures."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_text
from lungsight.program import log, parser, run
from lungsight.report.page import render_page
from lungsight.report.results import read_results


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    page = render_page(read_results(args.results, args.run, args.thesis))
    write_text(args.page, page)
    log(f"{len(page) / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
