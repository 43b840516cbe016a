"""Make one phantom cohort from the config: its images, and the truth about lungs and lesions beside them."""

import argparse
import json
from pathlib import Path

from lungsight.demo.cohort import check_table_fits, write_cohort
from lungsight.files import atomic_path
from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the cohort's name in the config")
    arguments.add_argument("--cohort", required=True, type=json.loads, help="the cohort's part of the config, as JSON")
    arguments.add_argument("--labels", required=True, type=json.loads, help="the config's labels, as JSON")
    arguments.add_argument("--window", required=True, type=json.loads, help="HU that become black and white, as JSON")
    arguments.add_argument("--threads", required=True, type=int, help="processes")
    arguments.add_argument("--root", required=True, type=Path, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the cohort."""
    args = parse_args()
    check_table_fits(args.name, args.cohort, args.labels)
    with atomic_path(args.root) as root:
        write_cohort(root, args.name, args.cohort, tuple(args.window), args.threads)


if __name__ == "__main__":
    run(main)
