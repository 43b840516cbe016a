"""Make weights of one network without labels, by SimSiam on the slices of training patients.

Writes the weights with their SHA-256, a table of the epochs, and a table of what a linear classifier reads from the
features.
"""

import argparse
import json
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training import backbones
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import check_gpu, prepare_device
from lungsight.training.labelled_images import JoinedImages
from lungsight.training.linear_probe import probe_rows
from lungsight.training.provenance import describe_training
from lungsight.training.simsiam import Siamese, pretrain
from lungsight.training.stage_training import TrainingCohort
from lungsight.training.stand_in import save_weights

FILES = 3  # of a cohort


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--cohorts", type=Path, nargs="+", required=True, help="of each cohort: split, image array and its index"
    )
    arguments.add_argument("--backbone", required=True, help="name of the network")
    arguments.add_argument("--settings", type=json.loads, required=True, help="labels, training and seed, as JSON")
    arguments.add_argument("--code", required=True, help="digest of the code, by which checkpoints are known")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints until it is done")
    arguments.add_argument("--weights", type=Path, required=True, help="output; the tables lie beside it")
    return arguments.parse_args()


def main() -> None:
    """Pre-train, measure, and write."""
    args = parse_args()
    labels, settings, seed = (args.settings[key] for key in ("labels", "training", "seed"))
    prepare_device(args.threads, seed)
    check_gpu()
    backbone = backbones.load(args.backbone)
    files = [TrainingCohort(*args.cohorts[place : place + FILES]) for place in range(0, len(args.cohorts), FILES)]
    cohorts = {each.split.parent.name: each.training_images(each.classes(labels)) for each in files}
    images = JoinedImages(tuple(cohorts.values()))
    depends_on = describe_training(args.backbone, backbone, settings, seed, args.code) | {
        "inputs": {name: each.digests() for name, each in zip(cohorts, files, strict=True)}
    }
    checkpoint = Checkpoint.of(args.checkpoints, depends_on)
    siamese, untrained = Siamese.of(backbone, settings), Siamese.of(backbone, settings)
    untrained.base.set_weights(siamese.base.get_weights())
    untrained.recalibrate(backbone, images, settings["batch_size"])
    rows = probe_rows("random", untrained.encoder, backbone, cohorts)
    history = pretrain(siamese, backbone, images, settings, seed, checkpoint)
    rows += probe_rows("simsiam", siamese.encoder, backbone, cohorts)
    save_weights(siamese.base, args.weights)
    write_table(args.weights.with_name(f"{args.backbone}.history.tsv"), history, "simsiam")
    write_table(args.weights.with_name(f"{args.backbone}.probe.tsv"), rows, "linear_probe")
    checkpoint.remove()


if __name__ == "__main__":
    run(main)
