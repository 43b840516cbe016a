"""Make report/class_curves.tsv, ROC curves and reliability of each class against the rest, from predictions alone."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.class_curves import curve_rows
from lungsight.evaluation.predictions import read_predictions
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.pipelines import model_columns


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--labels", type=json.loads, required=True, help="the classes in order, as JSON")
    arguments.add_argument(
        "--predictions",
        type=Path,
        nargs="+",
        required=True,
        help="<pipeline>/stage<k>/predictions/<cohort>.tsv of the cohorts that the models were trained on",
    )
    arguments.add_argument("--curves", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    rows = []
    for path in args.predictions:
        pipeline, folder, _, _ = path.parts[-4:]
        model = {**model_columns(pipeline, int(folder.removeprefix("stage"))), "cohort": path.stem}
        rows += [model | row for row in curve_rows(read_predictions(path, args.labels), args.labels)]
    write_table(args.curves, rows, schema="class_curves")


if __name__ == "__main__":
    run(main)
