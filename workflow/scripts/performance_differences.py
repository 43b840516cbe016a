"""Compare the models of a run in pairs, from their prediction tables alone."""

import argparse
from pathlib import Path

from lungsight.evaluation.performance_differences import Model, difference_table
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.pipelines import Pipeline


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--resamples", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument(
        "--predictions", type=Path, nargs="+", required=True, help="<pipeline>/stage<k>/predictions/<cohort>.tsv"
    )
    arguments.add_argument("--differences", type=Path, required=True, help="output")
    return arguments.parse_args()


def model_of(path: Path) -> Model:
    """The model whose predictions lie at a path."""
    pipeline, stage, _, _ = path.parts[-4:]
    return Model(Pipeline.parse(pipeline), stage.removeprefix("stage"))


def main() -> None:
    args = parse_args()
    predictions = {(model_of(path), path.stem): read_table(path, "predictions") for path in args.predictions}
    table = difference_table(predictions, args.positive, args.resamples, args.seed)
    write_table(args.differences, table, schema="differences")


if __name__ == "__main__":
    run(main)
