"""Train a generator for each class of a cohort, or one for all, and draw slices from it.

Writes the slices with their table, the history of the generators, how near the slices are to training slices, and a
sheet of samples.
"""

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.files import atomic_path
from lungsight.program import log, parser, run
from lungsight.tables import write_table
from lungsight.training.augmentation import generator
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.dcgan import SIDE, STAGE, Adversaries, train
from lungsight.training.device import check_gpu, prepare_device
from lungsight.training.generated import ARRAY, EVERY_CLASS, TABLE, slices_of_class
from lungsight.training.memorisation import memorisation_row, sheet
from lungsight.training.provenance import package_versions
from lungsight.training.stage_training import TrainingCohort


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--cohort", type=Path, nargs=3, required=True, help="split of the cohort, image array and its index"
    )
    arguments.add_argument("--settings", type=json.loads, required=True, help="labels, of the generator, seed, as JSON")
    arguments.add_argument("--code", required=True, help="digest of the code, by which checkpoints are known")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints until it is done")
    arguments.add_argument("--generated", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Train, draw, measure, and write."""
    args = parse_args()
    settings, seed = args.settings["generator"], args.settings["seed"]
    prepare_device(args.threads, seed)
    check_gpu()
    cohort = TrainingCohort(*args.cohort)
    classes = cohort.classes(args.settings["labels"])
    training, validation = cohort.subsets(classes, args.settings["image_size"])
    depends_on = args.settings | {"inputs": cohort.digests(), "code": args.code, "packages": package_versions()}
    names = [EVERY_CLASS] if args.settings.get("without_classes") else classes.names
    drawn, history, rows = [], [], []
    for number, label in enumerate(names):
        log(f"Generator {number + 1} of {len(names)}")
        real, unseen = (slices_of_class(images, classes, label, SIDE) for images in (training, validation))
        both = Adversaries.of(settings["filters"], settings["precision"])
        checkpoint = Checkpoint.of(args.checkpoints / str(number), depends_on | {"class": label})
        history += [{"label": label} | row for row in train(both, real, settings, seed, checkpoint)]
        made = both.draw(settings["samples"], generator(seed, STAGE, 0, number))
        drawn.append((label, made, real))
        rows.append(memorisation_row(label, made, real, unseen))
    with atomic_path(args.generated / ARRAY) as temporary:
        np.save(temporary, np.concatenate([made for _, made, _ in drawn]))
    labels = [{"row": row, "label": label} for row, label in enumerate(np.repeat(names, settings["samples"]))]
    write_table(args.generated / TABLE, labels, "generated")
    write_table(args.generated / "history.tsv", history, "dcgan")
    write_table(args.generated / "memorisation.tsv", rows, "memorisation")
    with atomic_path(args.generated / "sheet.png") as temporary:
        sheet(drawn).save(temporary)
    shutil.rmtree(args.checkpoints, ignore_errors=True)


if __name__ == "__main__":
    run(main)
