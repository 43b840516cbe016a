"""Make report/remedies.tsv, what every remedy does to its pipeline, from predictions, maps, audit and verdicts."""

import argparse
import json
from pathlib import Path

from lungsight.audit.remedy_table import read_remedies
from lungsight.program import parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--remedies", type=Path, required=True, help="output: one row for each pipeline")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    write_table(args.remedies, read_remedies(args.results, args.run), schema="remedies")


if __name__ == "__main__":
    run(main)
