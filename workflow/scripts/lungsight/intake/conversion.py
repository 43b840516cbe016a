"""Run the two converting programs: they turn a shard of a cohort into volumes, images and two tables."""

import argparse
import json
from pathlib import Path

from lungsight.intake.cases import Folders, Intake, convert_shard
from lungsight.intake.cohort_table import read_rows
from lungsight.intake.quiet import quiet
from lungsight.intake.shards import shard_name, shard_of
from lungsight.layout import CASES, NIFTI, SHARDS, SLICES
from lungsight.privacy import key_of
from lungsight.tables import write_table


def _parse_args(arguments: argparse.ArgumentParser) -> argparse.Namespace:
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms, made where there is none")
    arguments.add_argument("--shard", required=True, help="name of the shard to convert")
    arguments.add_argument("--settings", type=json.loads, required=True, help="how the cohort is taken in, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are converted at once")
    arguments.add_argument("--cohort", type=Path, required=True, help="output: folder of the cohort, named after it")
    return arguments.parse_args()


def run_conversion(arguments: argparse.ArgumentParser, *images: str) -> None:
    """Run a converting program.

    Parameters
    ----------
    arguments
        Parser of the program's command line, still empty.
    images
        Folders of the cohort that the program fills beside the volumes; fields of `Folders`.
    """
    args = _parse_args(arguments)
    settings = args.settings
    rows = [row for row in read_rows(args.table) if shard_name(shard_of(row.path, settings["shards"])) == args.shard]
    intake = Intake.of(args.cohort.name, args.root, settings, key_of(args.key))
    quiet()
    folders = Folders(**{name: args.cohort / name / args.shard for name in (NIFTI, *images)})
    cases, slices = convert_shard(rows, intake, folders, args.threads)
    tables = args.cohort / SHARDS / args.shard
    write_table(tables / CASES, cases, schema="converted_cases")
    write_table(tables / SLICES, slices, schema="converted_slices")
