"""Make the predictions of a trained model for new scans: a probability for each, where it looks, what is unusual.

Writes predictions.tsv, slice_predictions.tsv and maps.npz into the results of the prediction.
"""

import argparse
from pathlib import Path

import numpy as np

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.classes import classes_of_network
from lungsight.explain.map_files import save_maps
from lungsight.files import read_json
from lungsight.layout import (
    CASES,
    MAPS,
    MODEL,
    NEW_PREDICTIONS,
    NEW_SLICE_PREDICTIONS,
    PROVENANCE,
    REFERENCE,
    REFERENCE_FEATURES,
    SLICES,
)
from lungsight.predict.calibration import Calibration
from lungsight.predict.cases import predict_cases, usable_slices
from lungsight.predict.class_calibration import ClassCalibration
from lungsight.predict.image_descriptors import describe_images
from lungsight.predict.inference import predict_slices
from lungsight.predict.network import load_network
from lungsight.predict.out_of_distribution import Described, TrainingDistribution
from lungsight.program import parser, run
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.bags import predict_patient
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the new scans: cases, slices")
    arguments.add_argument("--manifest", type=Path, required=True, help="which slices are kept")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cached images")
    arguments.add_argument("--iou-level", type=float, required=True, help="share of a map's peak that counts")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--results", type=Path, required=True, help="folder of the prediction, input and output")
    return arguments.parse_args()


def main() -> None:
    """Write the predictions and the maps."""
    args = parse_args()
    provenance, reference = read_json(args.model / PROVENANCE), read_json(args.results / REFERENCE)
    prepare_device(args.threads, provenance["seed"])
    backbone, labels = backbones.load(provenance["backbone"]), provenance["labels"]
    input_view = pipeline_and_stage(args.model)[0].input_view
    images, masks = (CachedImages.of(args.images, name) for name in (input_view, "masks"))
    check_images(provenance, backbone.preprocessing, images.size)
    manifest = read_table(args.manifest, "manifest")
    slices = usable_slices(read_table(args.cohort / SLICES, "slices"), manifest, input_view)
    model = load_network(args.model / MODEL, backbone)
    accepted, classes = accepted_masks(manifest), classes_of_network(provenance)
    predictions = predict_slices(model, backbone, slices, images, masks, accepted, classes, labels, args.iou_level)
    arrays = dict(np.load(args.results / REFERENCE_FEATURES, allow_pickle=False))
    distribution = TrainingDistribution.of(reference["training_distribution"], arrays)
    whole, used = CachedImages.of(args.images, "whole"), predictions.slices
    descriptors = describe_images(whole.pixels, whole.rows_of(used["slice"]))
    described = Described(used["case"].to_numpy(str), predictions.features, descriptors)
    fitted = Calibration if classes.sigmoid else ClassCalibration
    calibration, cases = fitted(**reference["calibration"]), read_table(args.cohort / CASES, "cases")
    predicted = predict_cases(
        *(cases, predictions.slices, described, input_view, labels, calibration, distribution),
        predict_patient(model, provenance),
    )
    write_table(args.results / NEW_PREDICTIONS, predicted, "new_predictions")
    write_table(args.results / NEW_SLICE_PREDICTIONS, predictions.slices, "new_slice_predictions")
    save_maps(args.results / MAPS, predictions.slices["slice"], predictions.maps)


if __name__ == "__main__":
    run(main)
