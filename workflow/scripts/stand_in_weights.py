"""Make weights of one network, and their SHA-256, by training it on generated textures."""

import argparse
import json
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.program import parser, run
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.stand_in import pretrain, save_weights


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", required=True, help="name of the network")
    arguments.add_argument("--settings", type=json.loads, required=True, help="of the training, as JSON")
    arguments.add_argument("--seed", type=int, required=True, help="of the training and the textures")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--weights", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the weights and their SHA-256."""
    args = parse_args()
    prepare_device(args.threads, args.seed)
    base = pretrain(backbones.load(args.backbone), args.settings, args.seed)
    save_weights(base, args.weights)


if __name__ == "__main__":
    run(main)
