"""Make report/pairs.tsv: how every model of more than two classes tells each pair of them apart, and by what."""

import argparse
import json
from pathlib import Path

from lungsight.audit.tables import read_pairs
from lungsight.program import parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--pairs", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    write_table(args.pairs, read_pairs(args.results, args.run), schema="pairs")


if __name__ == "__main__":
    run(main)
