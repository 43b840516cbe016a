"""What the two converting programs do: a shard of a cohort, as they are told, into volumes, images and two tables."""

import argparse
import json
from pathlib import Path

from lungsight.intake.cases import KINDS, Folders, Intake, convert_shard, quiet
from lungsight.intake.cohort_table import TableRow, read_rows, shard_name, shard_of
from lungsight.privacy import read_key
from lungsight.tables import write_table


def _parse_args(
    arguments: argparse.ArgumentParser, images: tuple[str, ...]
) -> tuple[argparse.Namespace, list[TableRow], Intake]:
    """Parse the command line of a converting program; images: what its folders beside `--nifti` are called.

    Returns the arguments, the rows of the shard in table order, and how they are to be taken in.
    """
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--root", type=Path, required=True)
    arguments.add_argument("--format", choices=sorted(KINDS), required=True)
    arguments.add_argument("--shard", required=True, help="name of the shard to convert")
    arguments.add_argument("--shards", type=int, required=True, help="how many the cohort has")
    arguments.add_argument("--min-slices", type=int, required=True)
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's intake, as JSON")
    arguments.add_argument("--threads", type=int, default=1, help="cases that are converted at once")
    arguments.add_argument("--key", type=Path, required=True)
    for output in ("cases", "slices", "nifti", *images):
        arguments.add_argument(f"--{output}", type=Path, required=True)
    args = arguments.parse_args()
    rows = [row for row in read_rows(args.table) if shard_name(shard_of(row.path, args.shards)) == args.shard]
    intake = Intake(args.cohort, args.format, args.root, args.min_slices, args.settings, read_key(args.key))
    return args, rows, intake


def run_conversion(arguments: argparse.ArgumentParser, *images: str) -> None:
    """The whole of a converting program. images: fields of `Folders`, what it makes beside the volumes."""
    args, rows, intake = _parse_args(arguments, images)
    quiet()
    folders = Folders(nifti=args.nifti, **{name: getattr(args, name) for name in images})
    cases, slices = convert_shard(rows, intake, folders, args.threads)
    write_table(args.cases, cases, schema="converted_cases")
    write_table(args.slices, slices, schema="converted_slices")
