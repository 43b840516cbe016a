"""Make the saliency tables, raw maps and mean maps of one trained model from its cohort's test slices.

Writes saliency.tsv, saliency_methods.tsv, methods.json, maps.npz and mean_maps.npz of the model's explanation. Where
explain.classes is all, also class_saliency.tsv and class_maps.npz: the maps of every class.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import cast

import keras
import pandas as pd

from lungsight.classes import Classes, classes_of_network
from lungsight.explain.explanation import SliceImages, describe_methods, other_methods, select_test_slices
from lungsight.explain.gradcam import PRIMARY
from lungsight.explain.map_files import save_class_maps, save_maps
from lungsight.explain.margin import near_lung, pixel_sizes
from lungsight.explain.mean_map import mean_maps, save_mean_maps
from lungsight.explain.methods import explain_by_all, explain_each_class
from lungsight.files import read_json, write_json
from lungsight.layout import (
    CASES,
    CLASS_MAPS,
    CLASS_SALIENCY,
    MAPS,
    MEAN_MAPS,
    METHODS,
    MODEL,
    PROVENANCE,
    SALIENCY,
    SALIENCY_METHODS,
    SLICES,
    predictions_file,
)
from lungsight.program import parser, run
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.backbones import Backbone
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import check_images

EVERY_CLASS = "all"  # of explain.classes


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--manifest", type=Path, required=True, help="which masks passed quality control")
    arguments.add_argument(
        "--settings",
        type=json.loads,
        required=True,
        help="the config's explain section, as JSON",
    )
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--explanation", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def read_slices(args: argparse.Namespace, backbone: Backbone, provenance: dict, classes: Classes) -> SliceImages:
    """Read the test slices with their masks, and the lung with a margin."""
    pipeline, _ = pipeline_and_stage(args.model)
    names = (pipeline.input_view, "masks", "lesions")
    images, masks, lesions = (CachedImages.of(args.images, name) for name in names)
    check_images(provenance, backbone.preprocessing, images.size)
    predictions = read_table(predictions_file(args.model, args.cohort.name), schema="predictions")
    accepted = accepted_masks(read_table(args.manifest, schema="manifest"))
    slices = select_test_slices(predictions, images, masks, accepted, lesions, classes, provenance["labels"])
    tables = read_table(args.cohort / SLICES, schema="slices"), read_table(args.cohort / CASES, schema="cases")
    extents = images.extents[images.rows_of(slices.table["slice"])]
    width = args.settings["assumed_width_mm"]
    pixels = pixel_sizes(slices.table["slice"], *tables, images.size, width, extents)
    return replace(slices, near=near_lung(slices.masks, *pixels, args.settings["margin_mm"]))


def main() -> None:
    """Write the tables and the maps."""
    args = parse_args()
    provenance = read_json(args.model / PROVENANCE)
    prepare_device(args.threads, provenance["seed"])
    backbone = backbones.load(provenance["backbone"])
    classes = classes_of_network(provenance)
    slices = read_slices(args, backbone, provenance, classes)
    model = cast(keras.Model, keras.saving.load_model(args.model / MODEL, compile=False))
    explained, targets = explain_by_all(model, backbone, slices, classes, args.settings)
    table, maps = explained[PRIMARY].table, explained[PRIMARY].maps
    write_table(args.explanation / SALIENCY, table, schema="saliency")
    write_table(args.explanation / SALIENCY_METHODS, other_methods(explained), schema="saliency_methods")
    write_json(args.explanation / METHODS, describe_methods(explained, targets, classes))
    save_maps(args.explanation / MAPS, table["slice"], maps)
    save_mean_maps(args.explanation / MEAN_MAPS, mean_maps(table, maps, slices.masks, provenance["labels"]))
    if args.settings["classes"] == EVERY_CLASS:
        by_class = explain_each_class(model, backbone, slices, classes, args.settings)
        of_classes = pd.concat([each.table for each in by_class.values()], ignore_index=True)
        write_table(args.explanation / CLASS_SALIENCY, of_classes, schema="class_saliency")
        maps_of = {name: each.maps for name, each in by_class.items()}
        save_class_maps(args.explanation / CLASS_MAPS, table["slice"], maps_of)


if __name__ == "__main__":
    run(main)
