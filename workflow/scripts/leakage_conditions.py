"""Make the four splits of the leakage experiment, by slice and by patient, of true and of random labels, from a split.

Writes <condition>.tsv for every condition.
"""

import argparse
from pathlib import Path

from lungsight.evaluation.leakage_inflation.conditions import split_of_condition, thinned
from lungsight.evaluation.leakage_inflation.settings import LEAKAGE_CONDITIONS
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--split", type=Path, required=True, help="the run's own split, for its slices")
    arguments.add_argument("--max-slices", type=int, required=True, help="slices that take part")
    arguments.add_argument("--fractions", type=float, nargs=3, required=True, help="of train, val and test")
    arguments.add_argument("--seed", type=int, required=True, help="of the splits and the random labels")
    arguments.add_argument("--conditions", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the four splits."""
    args = parse_args()
    slices = thinned(read_table(args.split, "split"), args.max_slices)
    for condition in LEAKAGE_CONDITIONS:
        table = split_of_condition(slices, condition, args.fractions, args.seed)
        write_table(args.conditions / f"{condition.name}.tsv", table, schema="split")
        log(f"{condition.labels} labels by {condition.unit}: {table.groupby('split').size().to_dict()} slices")


if __name__ == "__main__":
    run(main)
