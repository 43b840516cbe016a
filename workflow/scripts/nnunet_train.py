"""Train nnU-Net on the prepared dataset; a training that was interrupted goes on from its last epoch."""

import argparse
import json
import shutil
from pathlib import Path

from lungsight.program import parser, run
from lungsight.segmentation.train import publish_model, train, training_digest, training_table
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", type=Path, required=True)
    arguments.add_argument("--settings", type=json.loads, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--unfinished", type=Path, required=True, help="folder of the checkpoints until it is done")
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--training", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    settings = args.settings | {"seed": args.seed}
    preprocessed = args.dataset / "preprocessed"
    checkpoints = args.unfinished / training_digest(preprocessed, settings)
    trainer = train(preprocessed, checkpoints, settings, args.threads)
    write_table(args.training, training_table(trainer), schema="segmentation_training")
    publish_model(trainer, args.model, settings)
    shutil.rmtree(args.unfinished)


if __name__ == "__main__":
    run(main)
