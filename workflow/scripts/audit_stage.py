"""Make the audit of one trained model: its predictions on changed test slices, and sanity checks of its maps.

Writes intervention_logits.tsv, source_predictions.tsv, sanity_values.tsv and making_logits.tsv into the folder of the
model's explanation; with more than two classes also swap_logits.tsv.
"""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the cohort's lung masks by shard")
    arguments.add_argument("--manifest", type=Path, required=True, help="which masks passed quality control")
    arguments.add_argument("--settings", type=json.loads, required=True, help="of the audit, seed and region, as JSON")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--explanation", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the tables."""
    # Imported here: where another process has made them ahead, TensorFlow need not start.
    import lungsight.lean_keras  # noqa: F401  # isort: split
    from lungsight.audit.making import SliceSource, audit_making
    from lungsight.audit.model_audit import IDENTITY, AuditSettings, audit
    from lungsight.audit.model_outputs import ModelOutputs
    from lungsight.classes import classes_of_network
    from lungsight.explain.explanation import select_test_slices
    from lungsight.files import read_json
    from lungsight.layout import (
        INTERVENTION_LOGITS,
        MAKING_LOGITS,
        MODEL,
        PROVENANCE,
        SANITY_VALUES,
        SLICES,
        SOURCE_PREDICTIONS,
        SWAP_LOGITS,
        predictions_file,
    )
    from lungsight.qc.summary import accepted_masks
    from lungsight.tables import read_table, write_table
    from lungsight.training import backbones
    from lungsight.training.device import prepare_device
    from lungsight.training.image_cache import CachedImages
    from lungsight.training.network import load_classifier
    from lungsight.training.pipelines import pipeline_and_stage
    from lungsight.training.provenance import check_images

    args = parse_args()
    seed, region = args.settings["seed"], args.settings["region"]
    prepare_device(args.threads, seed)
    provenance = read_json(args.model / PROVENANCE)
    backbone, (pipeline, _) = backbones.load(provenance["backbone"]), pipeline_and_stage(args.model)
    images, masks = (CachedImages.of(args.images, name) for name in (pipeline.input_view, "masks"))
    check_images(provenance, backbone.preprocessing, images.size)
    predictions = read_table(predictions_file(args.model, args.cohort.name), schema="predictions")
    accepted = accepted_masks(read_table(args.manifest, schema="manifest"))
    slices = select_test_slices(predictions, images, masks, accepted)
    of_cohort = read_table(args.cohort / SLICES, schema="slices")
    sources = of_cohort.set_index("slice")["source"]
    model = load_classifier(args.model / MODEL)
    classes, settings = classes_of_network(provenance), AuditSettings.of(args.settings)
    outputs = ModelOutputs(model, backbone)
    found = audit(outputs, slices, sources, classes, settings, seed)
    write_table(args.explanation / INTERVENTION_LOGITS, found.logits, schema="intervention_logits")
    write_table(args.explanation / SOURCE_PREDICTIONS, found.sources, schema="source_predictions")
    write_table(args.explanation / SANITY_VALUES, found.sanity, schema="sanity_values")
    source = SliceSource(of_cohort, args.cohort, args.masks, pipeline.input_view, region, images.size)
    made = audit_making(outputs, slices.table[IDENTITY], source, classes, settings.making_sample)
    write_table(args.explanation / MAKING_LOGITS, made, schema="making_logits")
    if found.swaps is not None:
        write_table(args.explanation / SWAP_LOGITS, found.swaps, schema="swap_logits")


if __name__ == "__main__":
    run(main)
