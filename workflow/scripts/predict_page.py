"""Make the page of new scans from their predictions and overlays."""

import argparse
from pathlib import Path

from lungsight.files import read_json, write_text
from lungsight.layout import MODEL_RECORD, NEW_PREDICTIONS, NEW_SLICE_PREDICTIONS, OVERLAYS, REFERENCE
from lungsight.predict.page import render_page
from lungsight.program import parser, run
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--provenance", type=Path, required=True, help="provenance.json of the model")
    arguments.add_argument("--results", type=Path, required=True, help="folder of the prediction")
    arguments.add_argument("--page", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the page."""
    args = parse_args()
    predictions = read_table(args.results / NEW_PREDICTIONS, "new_predictions")
    slices = read_table(args.results / NEW_SLICE_PREDICTIONS, "new_slice_predictions")
    provenance, reference = read_json(args.provenance), read_json(args.results / REFERENCE)
    record = read_json(args.results / MODEL_RECORD)
    write_text(args.page, render_page(predictions, slices, args.results / OVERLAYS, provenance, reference, record))


if __name__ == "__main__":
    run(main)
