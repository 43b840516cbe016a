"""Learn the training distribution of a model and the calibration of its probabilities from the run that made it."""

import argparse
from pathlib import Path

import numpy as np

from lungsight.files import atomic_path, read_json, write_json
from lungsight.predict.calibration import fit_calibration
from lungsight.predict.network import PredictionNetwork
from lungsight.predict.out_of_distribution import fit_training_distribution
from lungsight.predict.training_reference import sampled_rows, training_cases
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    for name in ("model", "provenance", "predictions", "cases", "images", "index", "reference", "features"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    provenance = read_json(args.provenance)
    prepare_device(args.threads, provenance["seed"])
    backbone, images = backbones.load(provenance["backbone"]), CachedImages.open(args.images, args.index)
    check_images(provenance, backbone.preprocessing, images.size)
    predictions, network = read_table(args.predictions, "predictions"), PredictionNetwork.load(args.model, backbone)
    train, val = (network(images.pixels, sampled_rows(predictions, images, name))[1] for name in ("train", "val"))
    distribution = fit_training_distribution(training_cases(read_table(args.cases, "cases"), predictions), train, val)
    calibration = fit_calibration(predictions, provenance["labels"][0])
    with atomic_path(args.features) as temporary:
        np.savez_compressed(temporary, **distribution.arrays())
    write_json(args.reference, {"training_distribution": distribution.to_json(), "calibration": calibration.to_json()})


if __name__ == "__main__":
    run(main)
