"""Take the lung masks that a cohort's table names, of one shard: lungs/<shard>/ of the cohort, masks and lungs.tsv.

A mask that cannot be used has its reason in lungs.tsv.
"""

import argparse
import json
from pathlib import Path

from lungsight.intake.cases import Intake
from lungsight.intake.cohort_table import case_of, read_rows
from lungsight.intake.quiet import quiet
from lungsight.intake.shards import shard_name, shard_of
from lungsight.layout import CASES, LUNGS, NIFTI, SHARDS, TAKEN_LUNGS
from lungsight.privacy import key_of
from lungsight.program import parser, progress, run
from lungsight.segmentation.own_lungs import take_masks
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--shard", required=True, help="name of the shard")
    arguments.add_argument("--settings", type=json.loads, required=True, help="how the cohort is taken in, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are read at once")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    return arguments.parse_args()


def main() -> None:
    """Write the masks and the table."""
    args = parse_args()
    settings, key = args.settings, key_of(args.key)
    intake = Intake.of(args.cohort.name, args.root, settings, key)
    cases = read_table(args.cohort / SHARDS / args.shard / CASES, schema="converted_cases")
    usable = set(cases.loc[cases["status"] == "ok", "case"])
    rows = [
        row
        for row in read_rows(args.table)
        if row.lungs
        and shard_name(shard_of(row.path, settings["shards"])) == args.shard
        and case_of(key, args.cohort.name, row.path) in usable
    ]
    quiet()
    masks = args.cohort / LUNGS / args.shard
    masks.mkdir(parents=True, exist_ok=True)
    taken = take_masks(rows, intake, args.cohort / NIFTI / args.shard, masks, args.threads)
    write_table(masks / TAKEN_LUNGS, list(progress(taken, "masks", total=len(rows))), schema="taken_lungs")


if __name__ == "__main__":
    run(main)
