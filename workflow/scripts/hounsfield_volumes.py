"""Write the volumes of one shard in HU, for a tool that reads no windowed images.

A case without HU, or whose scan cannot be read any more, has none, and the log says so.
"""

import argparse
import json
from pathlib import Path

from lungsight.intake.cases import Intake
from lungsight.intake.cohort_table import case_of, read_rows
from lungsight.intake.hounsfield_volumes import write_hounsfield_volumes
from lungsight.intake.quiet import quiet
from lungsight.intake.shards import shard_name, shard_of
from lungsight.privacy import key_of
from lungsight.program import parser, progress, run
from lungsight.segmentation.lung_tools import rows_to_segment
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--cohort", required=True, help="name of the cohort")
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the shard")
    arguments.add_argument("--settings", type=json.loads, required=True, help="how the cohort is taken in, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are read at once")
    arguments.add_argument("--volumes", type=Path, required=True, help="output folder, named after the shard")
    return arguments.parse_args()


def main() -> None:
    """Write the volumes."""
    args = parse_args()
    settings, key = args.settings, key_of(args.key)
    intake = Intake.of(args.cohort, args.root, settings, key)
    cases = read_table(args.cases, schema="converted_cases")
    usable = set(cases.loc[cases["status"] == "ok", "case"])
    rows = [
        row
        for row in rows_to_segment(read_rows(args.table))
        if shard_name(shard_of(row.path, settings["shards"])) == args.volumes.name
        and case_of(key, args.cohort, row.path) in usable
    ]
    quiet()
    args.volumes.mkdir(parents=True, exist_ok=True)
    written = write_hounsfield_volumes(rows, intake, args.volumes, args.threads)
    for _ in progress(written, "volumes", total=len(rows)):
        pass


if __name__ == "__main__":
    run(main)
