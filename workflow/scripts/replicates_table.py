"""Make report/replicates.tsv, how far the replicates of every model differ, from their metrics and their maps."""

import argparse
import json
from pathlib import Path

from lungsight.audit.replicate_table import read_replicates
from lungsight.program import parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    write_table(args.table, read_replicates(args.results, args.run), schema="replicates")


if __name__ == "__main__":
    run(main)
