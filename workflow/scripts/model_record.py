"""Make the record of a model, what a reader must know before its predictions, from the tables of its run."""

import argparse
import json
from pathlib import Path

from lungsight.files import write_json
from lungsight.predict.model_record import record_of_model
from lungsight.program import parser, run
from lungsight.training.pipelines import pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="folder of the model, …/<pipeline>/stage<k>")
    arguments.add_argument("--trained-on", type=json.loads, required=True, help="stage → cohort, as JSON")
    arguments.add_argument(
        "--patients-unknown", type=json.loads, required=True, help="cohorts whose patients are unknown, as JSON"
    )
    arguments.add_argument("--window", type=float, nargs=2, required=True, help="HU that become black and white")
    arguments.add_argument("--output", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the record."""
    args = parse_args()
    pipeline, stage = pipeline_and_stage(args.model)
    results = args.model.parents[2]
    record = record_of_model(results, pipeline, stage, args.trained_on, args.window, args.patients_unknown)
    write_json(args.output, record)


if __name__ == "__main__":
    run(main)
