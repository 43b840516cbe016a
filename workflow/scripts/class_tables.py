"""Make report/classes.tsv and report/confusion.tsv, the metrics of each class, from the prediction tables alone."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.class_tables import class_rows, cohort_confusion_rows, temperatures_of
from lungsight.evaluation.predictions import read_predictions
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.pipelines import ROLE_OF_STAGE, model_columns


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--resampling", type=json.loads, required=True, help="resamples and seed, as JSON")
    arguments.add_argument("--classes", type=json.loads, required=True, help="labels, in order, and costs, as JSON")
    arguments.add_argument(
        "--cohorts", type=json.loads, required=True, help="role → cohort that is trained on, as JSON"
    )
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    for name in ("by-class", "confusion"):
        arguments.add_argument(f"--{name}", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write both tables."""
    args = parse_args()
    labels, costs = args.classes["labels"], args.classes["costs"]
    by_class, confusion = [], []
    for path in args.predictions:
        pipeline, folder, _, _ = path.parts[-4:]
        stage = int(folder.removeprefix("stage"))
        model = {**model_columns(pipeline, stage), "cohort": path.stem}
        trained_on = path.with_stem(args.cohorts[ROLE_OF_STAGE[stage]])
        predictions = read_predictions(path, labels)
        temperatures = temperatures_of(read_predictions(trained_on, labels), labels)
        by_class += [model | row for row in class_rows(predictions, temperatures, labels, costs, **args.resampling)]
        confusion += [model | row for row in cohort_confusion_rows(predictions, labels, costs)]
    write_table(args.by_class, by_class, schema="classes")
    write_table(args.confusion, confusion, schema="confusion")


if __name__ == "__main__":
    run(main)
