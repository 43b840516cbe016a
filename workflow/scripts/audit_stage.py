"""Audit one trained model: its answers on test slices of which a part is replaced, and sanity checks of its maps."""

import argparse
import json
from pathlib import Path

import keras

from lungsight.audit.model_audit import AuditSettings, audit
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.explain.explanation import select_test_slices
from lungsight.files import read_json
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training import backbones
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="model.keras")
    arguments.add_argument("--provenance", type=Path, required=True, help="provenance.json of the model")
    arguments.add_argument("--predictions", type=Path, required=True, help="the model's predictions for the cohort")
    arguments.add_argument("--slices", type=Path, required=True, help="slices.tsv of the cohort: sources")
    arguments.add_argument("--images", type=Path, required=True, help="image cache, as the framework shows it")
    arguments.add_argument("--masks", type=Path, required=True, help="image cache, lung masks")
    arguments.add_argument("--index", type=Path, required=True, help="image cache, slice of each row")
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's audit section")
    arguments.add_argument("--resamples", type=int, required=True, help="patients drawn anew for intervals")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--logits", type=Path, required=True, help="output: answers on every intervention")
    arguments.add_argument("--shortcuts", type=Path, required=True, help="output: the shortcut battery")
    arguments.add_argument("--sanity", type=Path, required=True, help="output: sanity checks of the maps")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    prepare_device(args.threads, args.seed)
    provenance = read_json(args.provenance)
    backbone = backbones.load(provenance["backbone"])
    images, masks = (CachedImages.open(path, args.index) for path in (args.images, args.masks))
    check_images(provenance, backbone.preprocessing, images.size)
    slices = select_test_slices(read_table(args.predictions, schema="predictions"), images, masks)
    sources = read_table(args.slices, schema="slices").set_index("slice")["source"]
    probe = ModelOutputs(keras.saving.load_model(args.model, compile=False), backbone)
    settings = AuditSettings.of(args.settings)
    found = audit(probe, slices, sources, args.positive, settings, args.resamples, args.seed)
    write_table(args.logits, found.logits, schema="intervention_logits")
    write_table(args.shortcuts, found.shortcuts, schema="audit")
    write_table(args.sanity, found.sanity, schema="audit")


if __name__ == "__main__":
    run(main)
