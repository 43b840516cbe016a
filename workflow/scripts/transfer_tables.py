"""Make report/transfer_study.tsv, all trainings of the transfer study, and report/transfer_summary.tsv, over draws."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.evaluation.transfer_study.summary import summary_rows
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--trainings", type=Path, nargs="+", required=True, help="a table for each start")
    arguments.add_argument("--table", type=Path, required=True, help="output, all trainings")
    arguments.add_argument("--summary", type=Path, required=True, help="output, over draws")
    return arguments.parse_args()


def main() -> None:
    """Write the tables."""
    args = parse_args()
    trainings = pd.concat([read_table(path, "transfer_study") for path in args.trainings], ignore_index=True)
    write_table(args.table, trainings, schema="transfer_study")
    write_table(args.summary, summary_rows(trainings), schema="transfer_summary")


if __name__ == "__main__":
    run(main)
