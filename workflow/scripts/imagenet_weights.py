"""Fetch Keras's ImageNet weights of one backbone, and write their SHA-256 beside them."""

import argparse
from pathlib import Path

from lungsight.program import parser, run
from lungsight.training import backbones
from lungsight.training.weights import download_imagenet


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", required=True)
    arguments.add_argument("--weights", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    download_imagenet(args.backbone, backbones.load(args.backbone), args.weights)


if __name__ == "__main__":
    run(main)
