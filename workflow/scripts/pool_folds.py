"""Make out-of-fold predictions and their metrics from the runs of all folds of a cross-validation."""

import argparse
from pathlib import Path

from lungsight.evaluation.fold_pooling import pool_folds, prediction_files, with_prediction
from lungsight.evaluation.model_evaluation import evaluate_predictions
from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=Path, nargs="+", required=True, help="results folders, one per fold")
    arguments.add_argument("--predictions", type=Path, required=True, help="output folder for the pooled tables")
    arguments.add_argument("--metrics", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the pooled predictions and their metrics."""
    args = parse_args()
    rows = []
    for path in prediction_files(args.runs):
        _, pipeline, stage, _, name = path.parts
        evaluated = read_json(args.runs[0] / "models" / pipeline / stage / "metrics.json")
        labels = evaluated.get("labels", [])  # written with more than two classes
        pooled = pool_folds([read_table(run / path, "predictions") for run in args.runs])
        pooled = with_prediction(pooled, labels)
        write_table(args.predictions / pipeline / stage / name, pooled, schema="predictions")
        model = {"pipeline": pipeline, **Pipeline.parse(pipeline).columns, "stage": int(stage.removeprefix("stage"))}
        how = evaluated["positive"], evaluated["intervals"]["resamples"], evaluated["intervals"]["seed"]
        found = evaluate_predictions(pooled, *how, labels, evaluated.get("costs"))
        rows += [model | {"cohort": path.stem, "folds": len(args.runs)} | row for row in found]
    write_table(args.metrics, rows, schema="pooled_metrics")


if __name__ == "__main__":
    run(main)
