"""Make a first cohort table from a folder of scans; print what was found and what is left to fill in."""

import argparse
import csv
from pathlib import Path

from lungsight.errors import UserError
from lungsight.files import atomic_path
from lungsight.intake.draft_table import Draft, draft_table
from lungsight.intake.quiet import quiet
from lungsight.program import parser, run

_NAMES = {"dicom": "DICOM series folders", "nifti": "NIfTI volumes", "png": "PNG or JPEG pictures"}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--root", type=Path, required=True, help="folder of scans")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def advice(draft: Draft, root: Path, table: Path) -> str:
    """Say what was found, and what the user does next."""
    found = "\n".join(f"  {count} {_NAMES.get(name, name)}" for name, count in draft.found.items() if count)
    lines = [
        f"{table}: {len(draft.rows)} rows.",
        f"Found below {root}:\n{found}",
        "Now fill in the column label, check patient (guessed from folder names), and delete rows that do not belong.",
    ]
    if len(draft.formats) > 1:
        lines.append("A cohort has one format: make a table of its own for each, or delete the rows of the other.")
    if draft.found["folders with several series"]:
        lines.append("Of several series in a folder one is taken by intake.series; a row may also name one file.")
    lines.append(f"In the config: {{role: …, format: {draft.formats[0]}, root: {root}, table: {table}}}")
    return "\n".join(lines)


def main() -> None:
    """Write the table and print the advice."""
    args = parse_args()
    quiet()
    if args.table.exists():
        raise UserError(f"{args.table} exists already; delete it, or give another name: --config table=FILE")
    draft = draft_table(args.root)
    with atomic_path(args.table) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["patient", "path", "label", "mask"], delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(draft.rows)
    print(advice(draft, args.root, args.table), flush=True)


if __name__ == "__main__":
    run(main)
