"""Train one stage of one pipeline on its cohort: the model, its history, its curve and where it comes from."""

import argparse
import json
from pathlib import Path

from lungsight.files import atomic_path, write_json
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training import backbones
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import prepare_device
from lungsight.training.history_figure import draw_curve, title_of
from lungsight.training.pipelines import Pipeline
from lungsight.training.provenance import describe_training, hardware_class
from lungsight.training.stage_training import (
    Start,
    TrainingCohort,
    in_float32,
    objective_of,
    plan_of,
    train,
    what_came_of,
)
from lungsight.training.weights import WeightsFile, read_sidecar


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--pipeline", type=Pipeline.parse, required=True)
    arguments.add_argument("--backbone", required=True)
    arguments.add_argument("--stage", type=int, choices=[1, 2], required=True)
    arguments.add_argument("--labels", type=json.loads, required=True, help="the two classes, the positive one first")
    arguments.add_argument("--settings", type=json.loads, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--code", required=True, help="digest of the code, for the provenance")
    for name in ("split", "images", "index"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    arguments.add_argument("--weights", type=Path, help="of the backbone without top")
    arguments.add_argument("--weights-kind", choices=["imagenet", "stand-in"])
    arguments.add_argument("--weights-sha256", help="else it is read from <weights>.sha256")
    arguments.add_argument("--parent", type=Path, help="model.keras of stage 1")
    arguments.add_argument("--parent-provenance", type=Path)
    for name in ("checkpoints", "model", "history", "provenance", "curve"):
        arguments.add_argument(f"--{name}", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    device = prepare_device(args.threads, args.seed)
    name = args.backbone
    backbone, cohort, start = backbones.load(name), TrainingCohort(args.split, args.images, args.index), start_of(args)
    sides = cohort.sides(args.labels[0], args.settings["image_size"])
    model = start.build(name, backbone, args.settings)
    provenance = {
        **{"pipeline": args.pipeline.name, "framework": args.pipeline.input_view, "stage": args.stage},
        **{"labels": args.labels, "weights": start.describe(), "inputs": cohort.digests()},
        **{"images": dict(zip(("train", "val"), map(len, sides), strict=True))},
        **describe_training(name, backbone, args.settings, args.seed, args.code),
        **{"hardware": hardware_class(device), "threads": args.threads},
    }
    checkpoint = Checkpoint.of(args.checkpoints, provenance)
    plan = plan_of(args.settings, args.stage, args.seed, start.fine_tunes)
    history = train(model, backbone, objective_of(args.settings, sides[0]), *sides, plan, checkpoint)
    with atomic_path(args.model) as temporary:
        in_float32(model, backbone, args.settings).save(temporary)
    write_table(args.history, history, "history")
    size = {"parameters": model.count_params(), "bytes": args.model.stat().st_size}
    write_json(args.provenance, provenance | {"training": what_came_of(history), "model": size})
    draw_curve(args.curve, history, title_of(args.pipeline.name, args.stage, provenance["weights"]))
    checkpoint.remove()


def start_of(args: argparse.Namespace) -> Start:
    if args.weights is None:
        return Start(None, args.parent, args.parent_provenance)
    return Start(WeightsFile(args.weights, args.weights_kind, args.weights_sha256 or read_sidecar(args.weights)))


if __name__ == "__main__":
    run(main)
