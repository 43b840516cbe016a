"""Join the shards of a cohort with the user's table, row by row.

Makes cases.tsv (a row for every row of the table, in its order), slices.tsv and P/<cohort>.tsv from the shards' tables.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.intake.cohort_table import read_rows
from lungsight.intake.gather import (
    identities,
    join_cases,
    join_slices,
    remove_old_shards,
    settle_duplicates,
    write_private_table,
)
from lungsight.privacy import read_key
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--labels", type=json.loads, required=True, help="class name → the user's words, as JSON")
    arguments.add_argument("--shared-ids", action="store_true")
    arguments.add_argument("--key", type=Path, required=True)
    arguments.add_argument("--shard-cases", type=Path, nargs="+", required=True, help="in folders named as the shards")
    arguments.add_argument("--shard-slices", type=Path, nargs="+", required=True)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--slices", type=Path, required=True)
    arguments.add_argument("--private", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    rows = read_rows(args.table, args.labels)
    known = identities(rows, args.cohort, read_key(args.key), args.shared_ids)
    shards = {path.parent.name: read_table(path, schema="converted_cases") for path in args.shard_cases}
    slices = pd.concat([read_table(path, schema="converted_slices") for path in args.shard_slices])
    cases = settle_duplicates(join_cases(known, shards), slices)
    write_table(args.cases, cases, schema="cases")
    write_table(args.slices, join_slices(cases, slices), schema="slices")
    write_private_table(args.private, known, rows)
    if removed := remove_old_shards(args.cases.parent, shards.keys()):
        log(f"removed {removed} folders of shards that have no case any more")
    log(", ".join(f"{count} {status}" for status, count in cases["status"].value_counts().items()))


if __name__ == "__main__":
    run(main)
