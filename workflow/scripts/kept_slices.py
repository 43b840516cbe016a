"""Make the table of which slices of a cohort one input view keeps, from their scores and a person's decisions.

As in the manifest, but of one input view alone: a decision on a mask is no reason to train on whole slices again.
"""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run
from lungsight.qc.kept import checked_decisions, decided
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True, help="the cohort's name, for messages")
    arguments.add_argument("--scores", type=Path, required=True, help="scores of the cohort's slices")
    arguments.add_argument("--decisions", type=Path, nargs="*", default=[], help="tables of a person's decisions")
    arguments.add_argument("--slices", type=Path, nargs="*", default=[], help="tables of all slices one may decide on")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's qc section, as JSON")
    arguments.add_argument("--page", required=True, help="where the review page is, for the message")
    arguments.add_argument("--input-view", required=True, help="whole or segmented")
    arguments.add_argument("--kept", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    scores = read_table(args.scores, schema="scores")
    decisions = checked_decisions(args.cohort, scores, args.decisions, args.slices, args.settings, args.page)
    manifest = decided(scores, args.settings["rules"], decisions)
    table = manifest[["slice"]].assign(keep=manifest[f"{args.input_view}_keep"])
    write_table(args.kept, table, schema="kept")


if __name__ == "__main__":
    run(main)
