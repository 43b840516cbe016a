"""Make the predictions of one pipeline under every condition of the leakage experiment, each on its own test subset."""

import argparse
import json
from pathlib import Path

import pandas as pd

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.evaluation.leakage_inflation.training import LeakageTraining, train_condition
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import INDEX
from lungsight.training.pipelines import Pipeline
from lungsight.training.stage_training import Start, TrainingCohort


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--conditions", type=Path, nargs="+", required=True, help="splits, named <condition>.tsv")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="backbone, labels, training and seed, as JSON"
    )
    arguments.add_argument("--start", type=json.loads, required=True, help="what the trainings start from, as JSON")
    arguments.add_argument("--code", required=True, help="digest of the code, which checkpoints depend on")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints until it is done")
    arguments.add_argument("--predictions", type=Path, required=True, help="output, named <pipeline>.tsv")
    return arguments.parse_args()


def main() -> None:
    """Train under every condition, and write the predictions."""
    args = parse_args()
    backbone, labels, settings, seed = (args.settings[name] for name in ("backbone", "labels", "training", "seed"))
    prepare_device(args.threads, seed)
    training = LeakageTraining(backbone, Start.of(args.start), labels, settings, seed, args.checkpoints, args.code)
    images = args.images / f"{Pipeline.parse(args.predictions.stem).input_view}.npy", args.images / INDEX
    splits = {path.stem: path for path in args.conditions}
    tables = [
        train_condition(training, TrainingCohort(splits[one.name], *images)).assign(**one._asdict())
        for one in LEAKAGE_CONDITIONS
    ]
    write_table(args.predictions, pd.concat(tables, ignore_index=True), schema="leakage_predictions")


if __name__ == "__main__":
    run(main)
