"""Pre-train a backbone on generated textures, and write its weights and their SHA-256."""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.stand_in import pretrain, save_weights


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--backbone", required=True)
    arguments.add_argument("--settings", type=json.loads, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--weights", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    prepare_device(args.threads, args.seed)
    base = pretrain(backbones.load(args.backbone), args.settings, args.seed)
    save_weights(base, args.weights)


if __name__ == "__main__":
    run(main)
