"""What the two converting programs are told: a shard of a cohort, and how to take it in."""

import argparse
import json
from pathlib import Path

from lungsight.intake.cases import KINDS, Intake
from lungsight.intake.cohort_table import TableRow, read_rows, shard_name, shard_of
from lungsight.privacy import read_key
from lungsight.program import parser


def parse_shard_args(documentation: str | None, images: str) -> tuple[argparse.Namespace, list[TableRow], Intake]:
    """Parse the command line of a converting program, whose folder of images beside `--nifti` is called `--<images>`.

    Returns the arguments, the rows of the shard in table order, and how they are to be taken in.
    """
    arguments = parser(documentation)
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--table", type=Path, required=True)
    arguments.add_argument("--root", type=Path, required=True)
    arguments.add_argument("--format", choices=sorted(KINDS), required=True)
    arguments.add_argument("--shard", required=True, help="name of the shard to convert")
    arguments.add_argument("--shards", type=int, required=True, help="how many the cohort has")
    arguments.add_argument("--min-slices", type=int, required=True)
    arguments.add_argument("--settings", type=json.loads, required=True, help="the config's intake, as JSON")
    arguments.add_argument("--key", type=Path, required=True)
    for output in ("cases", "slices", "nifti", images):
        arguments.add_argument(f"--{output}", type=Path, required=True)
    args = arguments.parse_args()
    rows = [row for row in read_rows(args.table) if shard_name(shard_of(row.path, args.shards)) == args.shard]
    intake = Intake(args.cohort, args.format, args.root, args.min_slices, args.settings, read_key(args.key))
    return args, rows, intake
