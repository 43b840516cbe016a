"""Make report/decision_curves.tsv, what acting on each model is worth by patient, from the models' predictions."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.decision_curves import decision_rows
from lungsight.evaluation.predictions import read_predictions
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.pipelines import model_columns, pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--labels", type=json.loads, required=True, help="all classes, in order, as JSON")
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    arguments.add_argument("--curves", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    rows = []
    for path in args.predictions:
        pipeline, stage = pipeline_and_stage(path.parents[1])
        identity = model_columns(pipeline.name, stage) | {"cohort": path.stem}
        rows += [identity | row for row in decision_rows(read_predictions(path, args.labels), **args.statistics)]
    write_table(args.curves, rows, schema="decision_curves")


if __name__ == "__main__":
    run(main)
