"""Make shards/<shard>/forensics.tsv, what their making left in a shard's images, from scans and converted slices.

It converts nothing, and no rule that trains reads its table.
"""

import argparse
import json
from pathlib import Path

from lungsight.intake.cohort_table import case_of, read_rows
from lungsight.intake.forensics.measure import measure_shard
from lungsight.intake.harmonise import washings_chosen
from lungsight.intake.quiet import quiet
from lungsight.intake.shards import shard_name, shard_of
from lungsight.layout import CASES, FORENSICS, SHARDS, SLICES
from lungsight.privacy import key_of
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--shard", required=True, help="name of the shard to measure")
    arguments.add_argument("--settings", type=json.loads, required=True, help="format, shards and harmonise, as JSON")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort, named after it")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    settings, folder = args.settings, args.cohort / SHARDS / args.shard
    key = key_of(args.key)
    rows = [row for row in read_rows(args.table) if shard_name(shard_of(row.path, settings["shards"])) == args.shard]
    paths = {case_of(key, args.cohort.name, row.path): row.path for row in rows}
    cases = read_table(folder / CASES, schema="converted_cases")
    slices = read_table(folder / SLICES, schema="converted_slices")
    quiet()
    harmonised = bool(washings_chosen(settings["harmonise"]))
    measured = measure_shard(settings["format"], paths, args.root, cases, slices, args.cohort, harmonised)
    write_table(folder / FORENSICS, measured, schema="forensics")
    log(f"{len(measured)} slices")


if __name__ == "__main__":
    run(main)
