"""Make sure that a local file of ImageNet weights is the one that the config names; write its SHA-256 as a sign."""

import argparse
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.files import write_text
from lungsight.program import parser, run
from lungsight.training.weights import WeightsFile


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--weights", type=Path, required=True, help="local file")
    arguments.add_argument("--sha256", required=True, help="SHA-256 that the file must have")
    arguments.add_argument("--verified", type=Path, required=True, help="output: the SHA-256")
    return arguments.parse_args()


def main() -> None:
    """Write the sign."""
    args = parse_args()
    weights = WeightsFile(args.weights, "imagenet", args.sha256)
    weights.checked()
    write_text(args.verified, weights.sha256 + "\n")


if __name__ == "__main__":
    run(main)
