"""Write the lung masks of one shard as DICOM SEG, for viewers and archives: into the private folder.

Masks that the user's table names are left out: they are the user's already.
"""

import argparse
import json
from pathlib import Path

from lungsight import __version__
from lungsight.files import read_json
from lungsight.intake.cases import Intake
from lungsight.intake.cohort_table import case_of, read_rows
from lungsight.intake.quiet import quiet
from lungsight.intake.shards import shard_name, shard_of
from lungsight.privacy import key_of, make_private_folder
from lungsight.program import parser, progress, run
from lungsight.segmentation.dicom_seg import Algorithm, write_segmentations
from lungsight.segmentation.lung_tools import rows_to_segment


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--table", type=Path, required=True, help="cohort table, as the user wrote it")
    arguments.add_argument("--root", required=True, help="folder that the table's paths start from")
    arguments.add_argument("--key", type=Path, required=True, help="key of the pseudonyms")
    arguments.add_argument("--cohort", required=True, help="name of the cohort")
    arguments.add_argument("--tool", type=Path, nargs="?", help="record of the tool that made the masks, if one did")
    arguments.add_argument("--settings", type=json.loads, required=True, help="how the cohort is taken in, as JSON")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the shard's masks, named after it")
    arguments.add_argument("--segs", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def algorithm_of(method: str, tool: Path | None) -> Algorithm:
    """Say what made the masks. method: of the config."""
    if tool is not None:
        return Algorithm(method, read_json(tool)["version"] or "unknown", learned=True)
    return Algorithm(f"lungsight {method}", __version__, learned=method != "classical")


def main() -> None:
    """Write the files."""
    args = parse_args()
    settings, key = args.settings, key_of(args.key)
    intake = Intake.of(args.cohort, args.root, settings, key)
    rows = [
        row
        for row in rows_to_segment(read_rows(args.table))
        if shard_name(shard_of(row.path, settings["shards"])) == args.masks.name
        and (args.masks / f"{case_of(key, args.cohort, row.path)}.nii.gz").is_file()
    ]
    quiet()
    make_private_folder(args.segs)
    written = write_segmentations(rows, intake, args.masks, args.segs, algorithm_of(settings["method"], args.tool))
    for _ in progress(written, "DICOM SEG", total=len(rows)):
        pass


if __name__ == "__main__":
    run(main)
