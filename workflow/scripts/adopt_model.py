"""Make the run's lung model from the user's nnU-Net model folder: check it, and keep what prediction needs."""

import argparse
from pathlib import Path

from lungsight.program import log, parser, run
from lungsight.segmentation.model import adopt_model
from lungsight.segmentation.predict import check_weights


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--given", type=Path, required=True, help="nnU-Net model folder")
    arguments.add_argument("--model", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the model folder."""
    args = parse_args()
    adopt_model(args.given, args.model)
    log(f"folds of the given model in use: {check_weights(args.model)}")


if __name__ == "__main__":
    run(main)
