"""Make the image cache of a cohort, arrays at the network's size, from its PNG slices, predicted and lesion masks."""

import argparse
from pathlib import Path

from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.image_cache import ARRAYS, MASKS, write_image_cache
from lungsight.training.regions import REGIONS


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--slices", type=Path, required=True)
    arguments.add_argument("--cohort", type=Path, required=True, help="the folder that the slices' png starts from")
    for name in MASKS:
        arguments.add_argument(f"--{name}", type=Path, required=True, help="folder of <shard>/<case>.nii.gz")
    arguments.add_argument("--size", type=int, required=True)
    arguments.add_argument("--region", choices=REGIONS, required=True, help="the part of each slice to keep")
    for name in ARRAYS:
        arguments.add_argument(f"--{name}-array", type=Path, required=True)
    arguments.add_argument("--index", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    slices = read_table(args.slices, "slices")
    arrays = {name: getattr(args, f"{name}_array") for name in ARRAYS}
    masks = {name: getattr(args, name) for name in MASKS}
    columns = write_image_cache(slices, args.cohort, masks, args.size, arrays, args.region)
    write_table(args.index, slices[["slice"]].assign(**columns), "image_index")


if __name__ == "__main__":
    run(main)
