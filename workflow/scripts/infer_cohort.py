"""Predict every slice of a cohort's split with one trained model, from the image cache."""

import argparse
from pathlib import Path

from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.inference import classify_slices


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    for name in ("model", "provenance", "split", "images", "index", "predictions"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    provenance = read_json(args.provenance)
    prepare_device(args.threads, provenance["seed"])
    images, split = CachedImages.open(args.images, args.index), read_table(args.split, "split")
    write_table(args.predictions, classify_slices(args.model, provenance, split, images), "predictions")


if __name__ == "__main__":
    run(main)
