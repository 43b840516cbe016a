"""Train one pipeline on all arms of the leakage experiment and predict each arm's own test side."""

import json
from argparse import Namespace
from pathlib import Path

import pandas as pd

from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.evaluation.leakage_inflation.training import LeakageTraining, train_condition
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.device import prepare_device
from lungsight.training.stage_training import Start, TrainingCohort
from lungsight.training.weights import WeightsFile, read_sidecar


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", required=True)
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--settings", type=json.loads, required=True, help="of the training, as JSON")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--code", required=True, help="digest of the code, which checkpoints depend on")
    arguments.add_argument(
        "--conditions", type=Path, nargs=len(LEAKAGE_CONDITIONS), required=True, help="split tables of the arms"
    )
    for name in ("images", "index", "checkpoints", "predictions"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--weights", type=Path, help="of the backbone without top")
    arguments.add_argument("--weights-kind", choices=["imagenet", "stand-in"])
    arguments.add_argument("--weights-sha256", help="else it is read from <weights>.sha256")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    prepare_device(args.threads, args.seed)
    start = Start()
    if args.weights:
        start = Start(WeightsFile(args.weights, args.weights_kind, args.weights_sha256 or read_sidecar(args.weights)))
    how = args.positive, args.settings, args.seed, args.checkpoints, args.code
    training = LeakageTraining(args.backbone, start, *how)
    tables = [
        train_condition(training, TrainingCohort(path, args.images, args.index)).assign(**condition._asdict())
        for condition, path in zip(LEAKAGE_CONDITIONS, args.conditions, strict=True)
    ]
    write_table(args.predictions, pd.concat(tables, ignore_index=True), schema="leakage_predictions")


if __name__ == "__main__":
    run(main)
