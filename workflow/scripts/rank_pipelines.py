"""Make report/systems.tsv, the ranking of all pipelines, from the report's tables and the models' predictions."""

import argparse
import json
from pathlib import Path

from lungsight.audit.ranking import ranking_table
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--printed", type=Path, required=True, help="what papers print of their models")
    arguments.add_argument("--systems", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the ranking."""
    args = parse_args()
    table = ranking_table(args.results, args.run, read_table(args.printed, "printed"))
    write_table(args.systems, table, schema="systems")


if __name__ == "__main__":
    run(main)
