"""Explain the test slices of one trained model: saliency tables, raw maps, a summary and overlays."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import keras

from lungsight.explain.explanation import (
    draw_mean_of_classes,
    draw_overlays,
    other_methods,
    save_maps,
    select_test_slices,
    summarise_stage,
)
from lungsight.explain.gradcam import PRIMARY
from lungsight.explain.margin import near_lung, pixel_sizes
from lungsight.explain.methods import explain_by_all
from lungsight.files import read_json, write_json
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import Pipeline
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--pipeline", type=Pipeline.parse, required=True, help="framework-backbone-weights")
    arguments.add_argument("--stage", type=int, required=True, help="1 or 2")
    arguments.add_argument("--cohort", required=True, help="the cohort that the stage is trained on")
    arguments.add_argument("--model", type=Path, required=True, help="model.keras")
    arguments.add_argument("--provenance", type=Path, required=True, help="provenance.json of the model")
    arguments.add_argument("--predictions", type=Path, required=True, help="the model's predictions for the cohort")
    arguments.add_argument("--images", type=Path, required=True, help="image cache, as the framework shows it")
    arguments.add_argument("--masks", type=Path, required=True, help="image cache, lung masks")
    arguments.add_argument("--lesions", type=Path, required=True, help="image cache, masks of lesions where known")
    arguments.add_argument("--index", type=Path, required=True, help="image cache, slice of each row")
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--slices", type=Path, required=True, help="slices.tsv of the cohort")
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the cohort, for the size of a pixel")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's explain section, as JSON")
    arguments.add_argument("--resamples", type=int, required=True, help="patients drawn anew for intervals")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--saliency", type=Path, required=True, help="output: the primary method")
    arguments.add_argument("--methods", type=Path, required=True, help="output: the other methods")
    arguments.add_argument("--maps", type=Path, required=True, help="output: raw maps of the primary method")
    arguments.add_argument("--summary", type=Path, required=True, help="output")
    arguments.add_argument("--overlays", type=Path, required=True, help="output folder")
    arguments.add_argument(
        "--mean-maps", type=Path, required=True, help="output: the mean map of each class, as a picture"
    )
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    settings = args.settings
    prepare_device(args.threads, args.seed)
    provenance = read_json(args.provenance)
    backbone = backbones.load(provenance["backbone"])
    images, masks, lesions = (CachedImages.open(path, args.index) for path in (args.images, args.masks, args.lesions))
    check_images(provenance, backbone.preprocessing, images.size)
    slices = select_test_slices(read_table(args.predictions, schema="predictions"), images, masks, lesions)
    tables = read_table(args.slices, schema="slices"), read_table(args.cases, schema="cases")
    shown = images.extents[images.rows_of(slices.table["slice"])]
    pixels = pixel_sizes(slices.table["slice"], *tables, images.size, settings["assumed_width_mm"], shown)
    slices = replace(slices, near=near_lung(slices.masks, *pixels, settings["margin_mm"]))
    model = keras.saving.load_model(args.model, compile=False)
    explained, targets = explain_by_all(model, backbone, slices, args.positive, settings)
    write_table(args.saliency, explained[PRIMARY].table, schema="saliency")
    write_table(args.methods, other_methods(explained), schema="saliency_methods")
    save_maps(args.maps, explained[PRIMARY])
    pictures = draw_overlays(args.overlays, slices, explained[PRIMARY], settings["overlays"])
    means = draw_mean_of_classes(args.mean_maps, slices, explained[PRIMARY], args.positive)
    identity = {"pipeline": args.pipeline.name, "stage": args.stage, "cohort": args.cohort}
    summary = summarise_stage(explained, targets, pictures, means, args.resamples, args.seed)
    write_json(args.summary, identity | {name: settings[name] for name in ("iou_level", "margin_mm")} | summary)


if __name__ == "__main__":
    run(main)
