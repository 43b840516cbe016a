"""Predict new scans with a trained model: probabilities, where it looks, and whether they are out of distribution."""

import argparse
from pathlib import Path

import numpy as np

from lungsight.files import read_json
from lungsight.predict.calibration import Calibration
from lungsight.predict.cases import predict_cases, usable_slices
from lungsight.predict.inference import predict_slices
from lungsight.predict.network import load_network
from lungsight.predict.out_of_distribution import TrainingDistribution
from lungsight.predict.overlays import draw_pictures
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.bags import predict_patient
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import Pipeline
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--pipeline", type=Pipeline.parse, required=True)
    for name in ("model", "provenance", "reference", "features", "cases", "slices", "manifest"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="image cache, as the framework shows it")
    arguments.add_argument("--masks", type=Path, required=True, help="image cache, lung masks")
    arguments.add_argument("--index", type=Path, required=True)
    arguments.add_argument("--iou-level", type=float, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--predictions", type=Path, required=True, help="output: a row for every scan")
    arguments.add_argument("--slice-predictions", type=Path, required=True, help="output: a row for every slice used")
    arguments.add_argument("--overlays", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    provenance, reference = read_json(args.provenance), read_json(args.reference)
    prepare_device(args.threads, provenance["seed"])
    backbone, labels = backbones.load(provenance["backbone"]), provenance["labels"]
    images, masks = (CachedImages.open(path, args.index) for path in (args.images, args.masks))
    check_images(provenance, backbone.preprocessing, images.size)
    slices = usable_slices(
        read_table(args.slices, "slices"), read_table(args.manifest, "manifest"), args.pipeline.input_view
    )
    model = load_network(args.model, backbone)
    predictions = predict_slices(model, backbone, slices, images, masks, labels[0], args.iou_level)
    arrays = dict(np.load(args.features, allow_pickle=False))
    distribution = TrainingDistribution.of(reference["training_distribution"], arrays)
    calibration = Calibration(**reference["calibration"])
    cases = read_table(args.cases, "cases")
    predicted = predict_cases(
        *(cases, predictions.slices, predictions.features, args.pipeline.input_view, labels, calibration, distribution),
        predict_patient(model, provenance),
    )
    write_table(args.predictions, predicted, "new_predictions")
    write_table(args.slice_predictions, predictions.slices, "new_slice_predictions")
    draw_pictures(args.overlays, predictions, cases)


if __name__ == "__main__":
    run(main)
