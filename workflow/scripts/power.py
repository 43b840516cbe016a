"""Print power.tsv as a small table."""

import argparse
from pathlib import Path

from lungsight.evaluation.power_words import in_words
from lungsight.program import parser, run
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="power.tsv")
    return arguments.parse_args()


def main() -> None:
    """Print the table."""
    args = parse_args()
    print(in_words(read_table(args.table, "power")), flush=True)


if __name__ == "__main__":
    run(main)
