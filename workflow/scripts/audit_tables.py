"""Make report/audit.tsv, report/verdicts.tsv and report/comparisons.tsv from every model's audit and saliency."""

import argparse
import json
from pathlib import Path

from lungsight.audit.tables import read_audit, read_comparisons, read_verdicts
from lungsight.program import parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--audit", type=Path, required=True, help="output: every number")
    arguments.add_argument("--verdicts", type=Path, required=True, help="output: one row for each model")
    arguments.add_argument("--comparisons", type=Path, required=True, help="output: pairs of models")
    return arguments.parse_args()


def main() -> None:
    """Write the three tables."""
    args = parse_args()
    audit = read_audit(args.results, args.run)
    write_table(args.audit, audit, schema="report_audit")
    write_table(args.verdicts, read_verdicts(args.results, args.run, audit), schema="verdicts")
    write_table(args.comparisons, read_comparisons(args.results, args.run), schema="comparisons")


if __name__ == "__main__":
    run(main)
