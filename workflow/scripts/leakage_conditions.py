"""Split a cohort's kept slices in four ways, by slice and by patient, under true and under shuffled labels."""

from argparse import Namespace
from pathlib import Path

from lungsight.evaluation.leakage_inflation.conditions import split_of_condition, thinned
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--split", type=Path, required=True, help="the run's own split, for its slices")
    arguments.add_argument("--most", type=int, required=True, help="slices that take part")
    arguments.add_argument("--fractions", type=float, nargs=3, required=True, help="of train, val and test")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument(
        "--conditions", type=Path, nargs=len(LEAKAGE_CONDITIONS), required=True, help="a table per arm"
    )
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    slices = thinned(read_table(args.split, "split"), args.most)
    for path, condition in zip(args.conditions, LEAKAGE_CONDITIONS, strict=True):
        table = split_of_condition(slices, condition, args.fractions, args.seed)
        write_table(path, table, schema="split")
        log(f"{condition.labels} labels by {condition.unit}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
