"""Make report/differences.tsv, which of two models is better, from the prediction tables alone."""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.performance_differences import Model, difference_table
from lungsight.evaluation.predictions import read_predictions
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--classes", type=json.loads, required=True, help="labels, in order, and costs, as JSON")
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    arguments.add_argument("--differences", type=Path, required=True, help="output")
    return arguments.parse_args()


def model_of(path: Path) -> Model:
    """Return the model whose predictions lie at a path."""
    pipeline, stage, _, _ = path.parts[-4:]
    return Model(Pipeline.parse(pipeline), stage.removeprefix("stage"))


def main() -> None:
    """Write the table."""
    args = parse_args()
    labels = args.classes["labels"]
    predictions = {(model_of(path), path.stem): read_predictions(path, labels) for path in args.predictions}
    table = difference_table(predictions, **args.statistics, **args.classes)
    write_table(args.differences, table, schema="differences")


if __name__ == "__main__":
    run(main)
