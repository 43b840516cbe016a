"""Make the table of a pipeline's trainings on some patients of the target cohort, all from one start."""

import argparse
import json
from pathlib import Path

import lungsight.lean_keras  # noqa: F401  # isort: split
from lungsight.evaluation.transfer_study.settings import Cell
from lungsight.evaluation.transfer_study.training import TransferStudy, capped, train_cells
from lungsight.program import parser, run
from lungsight.tables import write_table
from lungsight.training.device import prepare_device
from lungsight.training.image_cache import INDEX
from lungsight.training.pipelines import Pipeline
from lungsight.training.stage_training import Start, TrainingCohort


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--tables", type=Path, nargs=2, required=True, help="split and manifest of the cohort")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="cells, backbone, labels, training and seed, as JSON"
    )
    arguments.add_argument("--start", type=json.loads, required=True, help="what the trainings start from, as JSON")
    arguments.add_argument("--code", required=True, help="digest of the code, which finished cells depend on")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--checkpoints", type=Path, required=True, help="folder of finished cells until all are")
    arguments.add_argument("--table", type=Path, required=True, help="output, …/<pipeline>/<start>.tsv")
    return arguments.parse_args()


def main() -> None:
    """Train in every cell, and write the table."""
    args = parse_args()
    settings, (split, manifest) = args.settings, args.tables
    prepare_device(args.threads, settings["seed"])
    pipeline = Pipeline.parse(args.table.parent.name)
    study = TransferStudy(
        TrainingCohort(split, args.images / f"{pipeline.input_view}.npy", args.images / INDEX),
        manifest,
        settings["backbone"],
        Start.of(args.start),
        settings["labels"],
        settings["training"],
        settings["slices_per_patient"],
        settings["seed"],
        args.checkpoints,
        args.code,
    )
    cells = capped((Cell(*cell) for cell in settings["cells"]), study.training_slices["patient"].nunique())
    of_all = {"pipeline": pipeline.name, "cohort": settings["cohort"], "start": args.table.stem}
    write_table(args.table, [of_all | row for row in train_cells(study, cells)], schema="transfer_study")
    study.remove_checkpoints()


if __name__ == "__main__":
    run(main)
