"""Explain one trained model: read its test slices, make its maps, and write the files of its explanation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.backbones import Backbone
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import load_classifier
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import check_images

EVERY_CLASS = "all"  # of explain.classes


@dataclass(frozen=True)
class Explained:
    """What is explained: folders of a model, of its cohort and of the cached images, and the cohort's manifest."""

    model: Path
    cohort: Path
    images: Path
    manifest: Path


def read_slices(
    of: Explained, settings: Mapping[str, Any], backbone: Backbone, provenance: dict[str, Any], classes: Classes
) -> SliceImages:
    """Read the test slices with their masks, and the lung with a margin."""
    pipeline, _ = pipeline_and_stage(of.model)
    names = (pipeline.input_view, "masks", "lesions")
    images, masks, lesions = (CachedImages.of(of.images, name) for name in names)
    check_images(provenance, backbone.preprocessing, images.size)
    predictions = read_table(predictions_file(of.model, of.cohort.name), schema="predictions")
    accepted = accepted_masks(read_table(of.manifest, schema="manifest"))
    slices = select_test_slices(predictions, images, masks, accepted, lesions, classes, provenance["labels"])
    tables = read_table(of.cohort / SLICES, schema="slices"), read_table(of.cohort / CASES, schema="cases")
    extents = images.extents[images.rows_of(slices.table["slice"])]
    pixels = pixel_sizes(slices.table["slice"], *tables, images.size, settings["assumed_width_mm"], extents)
    return replace(slices, near=near_lung(slices.masks, *pixels, settings["margin_mm"]))


def explain_model(of: Explained, settings: dict[str, Any], threads: int, explanation: Path) -> None:
    """Write the tables and the maps.

    Parameters
    ----------
    of
        What is explained.
    settings
        The config's section `explain`.
    threads
        Processor cores.
    explanation
        Output folder.
    """
    provenance = read_json(of.model / PROVENANCE)
    prepare_device(threads, provenance["seed"])
    backbone = backbones.load(provenance["backbone"])
    classes = classes_of_network(provenance)
    slices = read_slices(of, settings, backbone, provenance, classes)
    model = load_classifier(of.model / MODEL)
    explained, targets = explain_by_all(model, backbone, slices, classes, settings)
    table, maps = explained[PRIMARY].table, explained[PRIMARY].maps
    write_table(explanation / SALIENCY, table, schema="saliency")
    write_table(explanation / SALIENCY_METHODS, other_methods(explained), schema="saliency_methods")
    write_json(explanation / METHODS, describe_methods(explained, targets, classes))
    save_maps(explanation / MAPS, table["slice"], maps)
    save_mean_maps(explanation / MEAN_MAPS, mean_maps(table, maps, slices.masks, provenance["labels"]))
    if settings["classes"] == EVERY_CLASS:
        by_class = explain_each_class(model, backbone, slices, classes, settings)
        of_classes = pd.concat([each.table for each in by_class.values()], ignore_index=True)
        write_table(explanation / CLASS_SALIENCY, of_classes, schema="class_saliency")
        maps_of = {name: each.maps for name, each in by_class.items()}
        save_class_maps(explanation / CLASS_MAPS, table["slice"], maps_of)
