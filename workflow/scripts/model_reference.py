"""Make what new scans are compared with, from the run that a model comes from: calibration and training distribution.

Writes reference.json and reference.npz into the results of the prediction.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.classes import classes_of_network
from lungsight.files import atomic_path, read_json, write_json
from lungsight.layout import CASES, MODEL, PROVENANCE, REFERENCE, REFERENCE_FEATURES, predictions_file
from lungsight.predict.calibration import fit_calibration
from lungsight.predict.class_calibration import fit_class_calibration
from lungsight.predict.image_descriptors import describe_images, field_of_view
from lungsight.predict.network import PredictionNetwork
from lungsight.predict.out_of_distribution import Described, fit_training_distribution
from lungsight.predict.training_reference import HELD_OUT, TRAINING, case_of_slice, cases_of, sampled_slices
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort that it was trained on")
    arguments.add_argument("--images", type=Path, required=True, help="folder of that cohort's cached images")
    arguments.add_argument("--patients", choices=("known", "unknown"), required=True, help="whether that cohort's are")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--results", type=Path, required=True, help="output: folder of the prediction")
    return arguments.parse_args()


def main() -> None:
    """Write both files."""
    args = parse_args()
    provenance = read_json(args.model / PROVENANCE)
    prepare_device(args.threads, provenance["seed"])
    backbone, (pipeline, _) = backbones.load(provenance["backbone"]), pipeline_and_stage(args.model)
    images, whole = (CachedImages.of(args.images, name) for name in (pipeline.input_view, "whole"))
    check_images(provenance, backbone.preprocessing, images.size)
    predictions = read_table(predictions_file(args.model, args.cohort.name), "predictions")
    network = PredictionNetwork.load(args.model / MODEL, backbone)

    def described(subsets: Sequence[str]) -> Described:
        slices = sampled_slices(predictions, subsets)
        rows = images.rows_of(slices)
        features, descriptors = network(images.pixels, rows)[1], describe_images(whole.pixels, rows)
        return Described(case_of_slice(slices).to_numpy(str), features, descriptors)

    train = described(TRAINING)
    cases = cases_of(read_table(args.cohort / CASES, "cases"), predictions)
    distribution = fit_training_distribution(cases, train, described(HELD_OUT), args.patients == "known")
    classes, labels = classes_of_network(provenance), provenance["labels"]
    calibration = (
        fit_calibration(predictions, classes.positive)
        if classes.sigmoid
        else fit_class_calibration(predictions, labels, classes.names)
    )
    with atomic_path(args.results / REFERENCE_FEATURES) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **distribution.arrays())
    reference = {
        "training_distribution": distribution.to_json(),
        "training_images": field_of_view(train.descriptors),
        "calibration": calibration.to_json(),
    }
    write_json(args.results / REFERENCE, reference)


if __name__ == "__main__":
    run(main)
