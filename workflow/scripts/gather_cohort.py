"""Make the tables of a cohort from those of its shards and the user's table, row by row.

Writes cases.tsv (a row for every row of the user's table, in its order) and slices.tsv of the cohort, and its private
table.
"""

import argparse
import json
from pathlib import Path

import pandas as pd

from lungsight.intake.cohort_table import read_rows
from lungsight.intake.gather import (
    join_cases,
    join_slices,
    pseudonymise_rows,
    remove_old_shards,
    resolve_duplicates,
    write_private_table,
)
from lungsight.layout import CASES, SHARDS, SLICES
from lungsight.privacy import key_of
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--shards", nargs="+", required=True, help="names of the cohort's shards")
    arguments.add_argument("--settings", type=json.loads, required=True, help="shared_ids and patient_ids, as JSON")
    arguments.add_argument("--labels", type=json.loads, required=True, help="class name → the user's words, as JSON")
    arguments.add_argument("--cohort", type=Path, required=True, help="output: folder of the cohort, named after it")
    arguments.add_argument("--private", type=Path, required=True, help="output: table of names and paths")
    return arguments.parse_args()


def main() -> None:
    """Write the three tables."""
    args = parse_args()
    rows = read_rows(args.table, args.labels, args.settings["patient_ids"])
    pseudonymised = pseudonymise_rows(rows, args.cohort.name, key_of(args.key), args.settings["shared_ids"])
    shards = {name: args.cohort / SHARDS / name for name in args.shards}
    converted = {name: read_table(folder / CASES, schema="converted_cases") for name, folder in shards.items()}
    slices = pd.concat([read_table(folder / SLICES, schema="converted_slices") for folder in shards.values()])
    cases = resolve_duplicates(join_cases(pseudonymised, converted), slices)
    write_table(args.cohort / CASES, cases, schema="cases")
    write_table(args.cohort / SLICES, join_slices(cases, slices), schema="slices")
    write_private_table(args.private, pseudonymised, rows)
    if removed := remove_old_shards(args.cohort, shards.keys()):
        log(f"removed {removed} folders of shards that have no case any more")
    log(", ".join(f"{count} {status}" for status, count in cases["status"].value_counts().items()))


if __name__ == "__main__":
    run(main)
