"""What leakage is worth: metrics of every arm of the experiment and the difference between splits, from predictions."""

from argparse import Namespace
from pathlib import Path

from lungsight.evaluation.leakage_inflation.inflation import inflation_rows
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="named <pipeline>.tsv")
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--resamples", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--inflation", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    how = args.cohort, args.positive, args.resamples, args.seed
    rows = [
        row
        for path in args.predictions
        for row in inflation_rows(read_table(path, "leakage_predictions"), path.stem, *how)
    ]
    write_table(args.inflation, rows, schema="leakage_inflation")


if __name__ == "__main__":
    run(main)
