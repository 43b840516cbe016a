"""Make the page about new scans from their predictions and pictures."""

import argparse
from pathlib import Path

from lungsight.files import read_json, write_text
from lungsight.predict.page import render_page
from lungsight.program import parser, run
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    for name in ("predictions", "slice-predictions", "overlays", "provenance", "reference", "page"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    predictions = read_table(args.predictions, "new_predictions")
    slices = read_table(args.slice_predictions, "new_slice_predictions")
    provenance, reference = read_json(args.provenance), read_json(args.reference)
    write_text(args.page, render_page(predictions, slices, args.overlays, provenance, reference))


if __name__ == "__main__":
    run(main)
