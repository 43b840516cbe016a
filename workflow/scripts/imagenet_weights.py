"""Make a file of Keras's ImageNet weights of one network, fetched, with their SHA-256 beside it."""

import argparse
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.program import parser, run
from lungsight.training import backbones
from lungsight.training.weights import download_imagenet


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", required=True, help="name of the network")
    arguments.add_argument("--weights", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the weights and their SHA-256."""
    args = parse_args()
    download_imagenet(args.backbone, backbones.load(args.backbone), args.weights)


if __name__ == "__main__":
    run(main)
