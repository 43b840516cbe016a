"""Make the maps of all replicates of one model on a sample of its test slices, with those of random networks."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.audit.model_audit import spread_sample, with_lung
from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.replicate_maps import save_replicate_maps, without_slices
from lungsight.audit.replicate_networks import maps_of_replicates
from lungsight.explain.explanation import select_test_slices
from lungsight.files import read_json
from lungsight.layout import MODEL, PROVENANCE
from lungsight.program import log, parser, progress, run
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.backbones import Backbone
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import load_classifier
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import check_images


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--models", type=Path, nargs="+", required=True, help="folders of the replicates, the run's own model first"
    )
    arguments.add_argument("--predictions", type=Path, required=True, help="of the run's own model on its cohort")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--manifest", type=Path, required=True, help="which masks passed quality control")
    arguments.add_argument("--settings", type=json.loads, required=True, help="sample and seed, as JSON")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--maps", type=Path, required=True, help="output")
    return arguments.parse_args()


def networks(models: list[Path], backbone: Backbone) -> Iterator[ModelOutputs]:
    """Load one replicate after the other."""
    for folder in progress(models, "replicates"):
        yield ModelOutputs(load_classifier(folder / MODEL), backbone)


def main() -> None:
    """Write the maps."""
    args = parse_args()
    sample, seed = args.settings["sample"], args.settings["seed"]
    prepare_device(args.threads, seed)
    provenance = read_json(args.models[0] / PROVENANCE)
    backbone, (pipeline, _) = backbones.load(provenance["backbone"]), pipeline_and_stage(args.models[0])
    images, masks = (CachedImages.of(args.images, name) for name in (pipeline.input_view, "masks"))
    check_images(provenance, backbone.preprocessing, images.size)
    accepted = accepted_masks(read_table(args.manifest, schema="manifest"))
    slices = select_test_slices(read_table(args.predictions, schema="predictions"), images, masks, accepted)
    usable = with_lung(slices)
    if usable.table.empty:
        log("no test slice has a lung mask that passed quality control: there are no maps to compare")
        maps = without_slices(len(args.models))
    else:
        chosen = usable.take(spread_sample(len(usable.table), sample))
        maps = maps_of_replicates(networks(args.models, backbone), chosen, seed)
    save_replicate_maps(args.maps, maps)


if __name__ == "__main__":
    run(main)
