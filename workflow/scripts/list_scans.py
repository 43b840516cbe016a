"""Make the table of the new scans, a row for every series folder, volume or picture, from what lies in a folder."""

import argparse
import csv
from pathlib import Path

from lungsight.files import atomic_path
from lungsight.predict.scans import find_scans
from lungsight.privacy import make_private_folder
from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--scans", type=Path, required=True, help="folder of the scans")
    arguments.add_argument("--format", required=True, help="dicom, nifti or png")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    make_private_folder(args.table.parent)
    with atomic_path(args.table) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["patient", "path"], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(find_scans(args.scans)[args.format])


if __name__ == "__main__":
    run(main)
