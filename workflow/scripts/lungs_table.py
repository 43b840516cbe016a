"""Make report/lungs.tsv, what became of every lung mask that the users' tables name, from the shards of all cohorts."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.layout import CASES, LUNGS, TAKEN_LUNGS
from lungsight.program import parser, run
from lungsight.tables import columns_of, read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True, help="folders <cohort>/lungs/<shard>")
    arguments.add_argument("--table", type=Path, required=True, help="output: report/lungs.tsv")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    parts = []
    for shard in args.shards:
        cohort = shard.parents[len(Path(LUNGS).parts)]
        cases = read_table(cohort / CASES, schema="cases")
        taken = read_table(shard / TAKEN_LUNGS, schema="taken_lungs")
        parts.append(taken.merge(cases[["case", "row"]], on="case").assign(cohort=cohort.name))
    table = pd.concat(parts).sort_values(["cohort", "row"], kind="stable")
    write_table(args.table, table[columns_of("lungs")], schema="lungs")


if __name__ == "__main__":
    run(main)
