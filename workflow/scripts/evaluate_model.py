"""Make the test metrics of one model, with intervals, from its prediction tables alone.

What is fitted (thresholds, how slices become a patient's prediction) is fitted on the validation subset of the cohort
that the model was trained on.
"""

import argparse
import json
from pathlib import Path

from lungsight.evaluation.intervals import LEVEL
from lungsight.evaluation.model_evaluation import evaluate_model
from lungsight.evaluation.predictions import read_predictions
from lungsight.files import write_json
from lungsight.program import parser, run
from lungsight.training.pipelines import pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--training-cohort", required=True, help="the cohort that the model was trained on")
    arguments.add_argument(
        "--statistics", type=json.loads, required=True, help="positive class, resamples of intervals and seed, as JSON"
    )
    arguments.add_argument("--classes", type=json.loads, required=True, help="labels, in order, and costs, as JSON")
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="named <cohort>.tsv")
    arguments.add_argument("--metrics", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the metrics."""
    args = parse_args()
    (pipeline, stage), statistics = pipeline_and_stage(args.model), args.statistics
    model = {"pipeline": pipeline.name, **pipeline.columns, "stage": stage}
    tables = {path.stem: read_predictions(path, args.classes["labels"]) for path in args.predictions}
    metrics = evaluate_model(tables, args.training_cohort, **statistics, **args.classes)
    resampling = {name: statistics[name] for name in ("resamples", "seed")}
    intervals = {"level": LEVEL, "resampled": "patients", **resampling}
    known = args.classes if len(args.classes["labels"]) > 2 else {}
    positive = {"positive": statistics["positive"], **known}
    write_json(args.metrics, {**model, **positive, "intervals": intervals, **metrics})


if __name__ == "__main__":
    run(main)
