"""Compute the test metrics of one model, with intervals, from its prediction tables alone.

What is fitted (thresholds, how slices become a patient's answer) is fitted on the validation side of the cohort that
the model was trained on.
"""

import argparse
from pathlib import Path

from lungsight.evaluation.intervals import LEVEL
from lungsight.evaluation.model_evaluation import evaluate_model
from lungsight.files import write_json
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--pipeline", type=Pipeline.parse, required=True)
    arguments.add_argument("--stage", type=int, choices=[1, 2], required=True)
    arguments.add_argument("--own", required=True, help="the cohort that the model was trained on")
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--resamples", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="named <cohort>.tsv")
    arguments.add_argument("--metrics", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    model = {"pipeline": args.pipeline.name, **args.pipeline.columns, "stage": args.stage}
    tables = {path.stem: read_table(path, "predictions") for path in args.predictions}
    found = evaluate_model(tables, args.own, args.positive, args.resamples, args.seed)
    intervals = {"level": LEVEL, "resampled": "patients", "resamples": args.resamples, "seed": args.seed}
    write_json(args.metrics, {**model, "positive": args.positive, "intervals": intervals, **found})


if __name__ == "__main__":
    run(main)
