"""Compute the test metrics of one model, with intervals, from its prediction tables alone."""

import argparse
from pathlib import Path

from lungsight.config import Pipeline
from lungsight.files import write_json
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.metrics import evaluate_predictions


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--pipeline", type=Pipeline.parse, required=True)
    arguments.add_argument("--stage", type=int, choices=[1, 2], required=True)
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--resamples", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="named <cohort>.tsv")
    arguments.add_argument("--metrics", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    model = {"pipeline": args.pipeline.name, **args.pipeline._asdict(), "stage": args.stage}
    rows = [
        {**model, "cohort": path.stem, **row}
        for path in args.predictions
        for row in evaluate_predictions(read_table(path, "predictions"), args.positive, args.resamples, args.seed)
    ]
    intervals = {"level": 0.95, "resampled": "patients", "resamples": args.resamples, "seed": args.seed}
    write_json(args.metrics, {**model, "positive": args.positive, "intervals": intervals, "rows": rows})


if __name__ == "__main__":
    run(main)
