"""Make report/forensics.tsv, how well each trace of an image's making tells label and cohort, from forensics.tsv."""

import argparse
from pathlib import Path

from lungsight.audit.forensics import forensics_table, read_traces
from lungsight.program import log, parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohorts", type=Path, nargs="+", required=True, help="folders of the labelled cohorts")
    arguments.add_argument("--unknown", nargs="*", default=[], help="those of them whose patients are unknown")
    arguments.add_argument("--seed", type=int, required=True, help="of folds and permutations")
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    traces = {folder.name: read_traces(folder) for folder in args.cohorts}
    table = forensics_table(traces, args.seed, unknown=args.unknown)
    write_table(args.table, table, schema="report_forensics")
    log(f"{(table['p_holm'] < 0.05).sum()} of {len(table)} answers differ from chance")


if __name__ == "__main__":
    run(main)
