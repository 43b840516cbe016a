"""Make the image cache of a shard, arrays at the network's size, from its PNG slices and its masks of lung and lesion.

Writes whole.npy, segmented.npy, masks.npy, lesions.npy and index.tsv.
"""

import argparse
from pathlib import Path

from lungsight.layout import LESIONS, SHARDS, SLICES
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.image_cache import ARRAYS, INDEX, write_image_cache
from lungsight.training.regions import REGIONS


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: slices, masks of lesions")
    arguments.add_argument("--shard", required=True, help="name of the shard")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the lung masks by shard")
    arguments.add_argument("--size", type=int, required=True, help="rows and columns of an image")
    arguments.add_argument("--region", choices=REGIONS, required=True, help="the part of each slice to keep")
    arguments.add_argument("--images", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the arrays and their index."""
    args = parse_args()
    slices = read_table(args.cohort / SHARDS / args.shard / SLICES, "converted_slices")
    arrays = {name: args.images / f"{name}.npy" for name in ARRAYS}
    masks = {"masks": args.masks, "lesions": args.cohort / LESIONS}
    columns = write_image_cache(slices, args.cohort, masks, args.size, arrays, args.region)
    write_table(args.images / INDEX, slices[["slice"]].assign(**columns), "image_index")


if __name__ == "__main__":
    run(main)
