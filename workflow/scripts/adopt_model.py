"""Check an nnU-Net model folder of the user's and keep of it what prediction needs, as the run's own model."""

import argparse
from pathlib import Path

from lungsight.program import log, parser, run
from lungsight.segmentation.model import adopt_model
from lungsight.segmentation.predict import check_weights


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--given", type=Path, required=True, help="nnU-Net model folder")
    arguments.add_argument("--model", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    adopt_model(args.given, args.model)
    log(f"folds of the given model in use: {check_weights(args.model)}")


if __name__ == "__main__":
    run(main)
