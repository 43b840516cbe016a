"""Make the model of one stage of one pipeline from its cohort's images: network, history and provenance.

Writes model.keras, history.tsv and provenance.json into the model's folder.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.ahead import work_ahead
from lungsight.files import atomic_path, write_json
from lungsight.layout import HISTORY, MODEL, PROVENANCE
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training import backbones
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import INDEX
from lungsight.training.network import logits_of
from lungsight.training.pipelines import pipeline_and_stage
from lungsight.training.provenance import describe_training, hardware_class
from lungsight.training.remedied_training import RemedyFiles, strengths_of, train_the_chosen, treatment_of
from lungsight.training.stage_training import (
    Start,
    TrainingCohort,
    describe_classes,
    in_float32,
    objective_of,
    plan_of,
    train,
    training_outcome,
)


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--tables",
        type=Path,
        nargs="+",
        required=True,
        help="split of the cohort; then what a remedy needs: tables; of another cohort split, image array, index",
    )
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="backbone, labels, training and seed, as JSON"
    )
    arguments.add_argument("--start", type=json.loads, required=True, help="what the training starts from, as JSON")
    arguments.add_argument("--code", required=True, help="digest of the code, for the provenance")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--checkpoints", type=Path, required=True, help="folder of checkpoints until it is done")
    arguments.add_argument("--model", type=Path, required=True, help="output folder, …/<pipeline>/stage<k>")
    return arguments.parse_args()


def main() -> None:
    """Train, and write the model with its history and provenance."""
    args = parse_args()
    name, labels, settings, seed = (args.settings[key] for key in ("backbone", "labels", "training", "seed"))
    (pipeline, stage), start = pipeline_and_stage(args.model), Start.of(args.start)
    device, backbone = prepare_device(args.threads, seed), backbones.load(name)
    split, *of_remedy = args.tables
    cohort = TrainingCohort(split, args.images / f"{pipeline.input_view}.npy", args.images / INDEX)
    files = RemedyFiles.of(of_remedy)
    classes = cohort.classes(labels)
    subsets = cohort.subsets(classes, settings["image_size"])
    model = start.build(name, backbone, settings, classes)
    provenance = {
        **{"pipeline": pipeline.name, "framework": pipeline.input_view, "stage": stage},
        **{"labels": labels, **describe_classes(start, classes)},
        **{"weights": start.describe(), "inputs": cohort.digests() | files.digests(cohort)},
        **{"images": dict(zip(("train", "val"), map(len, subsets), strict=True))},
        **describe_training(name, backbone, settings, seed, args.code),
        **{"hardware": hardware_class(device), "threads": args.threads},
    }

    found: dict[str, Any] = {}

    def train_one(chosen: dict[str, Any]) -> list[dict[str, Any]]:
        checkpoint = Checkpoint.of(args.checkpoints, provenance | {"settings": chosen})
        plan, objective = (
            plan_of(chosen, stage, seed, start.fine_tunes),
            objective_of(chosen, subsets[0], classes, labels),
        )
        treatment = treatment_of(chosen, cohort, subsets[0], backbone, classes, files)
        history = train(model, backbone, objective, *subsets, plan, checkpoint, treatment)
        found.update(treatment.findings(logits_of(model)))
        return history

    patients = len(set(subsets[1].groups()))
    history, chosen = train_the_chosen(model, strengths_of(settings), patients, train_one)
    with atomic_path(args.model / MODEL) as temporary:
        in_float32(model, backbone, settings).save(temporary)
    write_table(args.model / HISTORY, history, "history")
    size = {"parameters": model.count_params(), "bytes": (args.model / MODEL).stat().st_size}
    outcome = training_outcome(history) | ({"remedy": chosen | found} if chosen | found else {})
    write_json(args.model / PROVENANCE, provenance | {"training": outcome, "model": size})
    work_ahead(args.model, model if settings["precision"] == "float32" else None)
    Checkpoint.of(args.checkpoints, provenance).remove()


if __name__ == "__main__":
    run(main)
