"""Make checklists.tsv, every item of every checklist answered from a run's tables or by the study file."""

import argparse
import json
from pathlib import Path

from lungsight.checklists.evidence import read_evidence
from lungsight.checklists.fill import fill, in_words, summary_of
from lungsight.checklists.items import read_checklists
from lungsight.checklists.study import read_study
from lungsight.program import log, parser, run
from lungsight.tables import write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the run's folder")
    arguments.add_argument("--run", type=json.loads, required=True, help="the run's description, as JSON")
    arguments.add_argument("--thesis", type=Path, required=True, help="the thesis's numbers as printed")
    arguments.add_argument("--study", type=Path, nargs="?", help="the study file; none where the config names none")
    arguments.add_argument("--withheld", nargs="*", default=[], help="keys of the study file that no result shows")
    arguments.add_argument("--checklists", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    evidence = read_evidence(args.results, args.run, args.thesis, read_study(args.study), judged=True)
    checklists = read_checklists()
    rows = fill(checklists, evidence, args.withheld)
    for checklist in checklists:
        log(f"{checklist.name}: {in_words(summary_of(rows, checklist.name))}")
    write_table(args.checklists, rows, schema="checklists")


if __name__ == "__main__":
    run(main)
