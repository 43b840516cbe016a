"""Make a trained nnU-Net model from the prepared dataset.

A training that was interrupted goes on from its last epoch.
"""

import argparse
import json
import shutil
from pathlib import Path

from lungsight.program import parser, run
from lungsight.segmentation.train import publish_model, train, training_digest, training_table
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--dataset", type=Path, required=True, help="folder of nnunet_prepare")
    arguments.add_argument("--settings", type=json.loads, required=True, help="of the training, with its seed, as JSON")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--unfinished", type=Path, required=True, help="folder of the checkpoints until it is done")
    arguments.add_argument("--model", type=Path, required=True, help="output folder")
    arguments.add_argument("--training", type=Path, required=True, help="output: a row for every epoch")
    return arguments.parse_args()


def main() -> None:
    """Train, and write the model and the table of its epochs."""
    args = parse_args()
    preprocessed = args.dataset / "preprocessed"
    checkpoints = args.unfinished / training_digest(preprocessed, args.settings)
    trainer = train(preprocessed, checkpoints, args.settings, args.threads)
    write_table(args.training, training_table(trainer), schema="segmentation_training")
    publish_model(trainer, args.model, args.settings)
    shutil.rmtree(args.unfinished)


if __name__ == "__main__":
    run(main)
