"""Make run.json, what a run's models need to know of it when they predict new scans, from the config."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_json
from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="the remembered part of the config, as JSON"
    )
    arguments.add_argument("--output", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the settings."""
    args = parse_args()
    write_json(args.output, args.settings)


if __name__ == "__main__":
    run(main)
