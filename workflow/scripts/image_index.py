"""Make the index of a cohort's cached images: of every slice its shard, and its row in the arrays there."""

import argparse
from pathlib import Path

from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.image_cache import INDEX, index_of_cohort, remove_what_is_old


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--slices", type=Path, required=True, help="table of the cohort's slices")
    arguments.add_argument("--shards", nargs="+", required=True, help="names of the cohort's shards")
    arguments.add_argument("--images", type=Path, required=True, help="output: folder of the cohort's cached images")
    return arguments.parse_args()


def main() -> None:
    """Write the index, and remove what no index names any more."""
    args = parse_args()
    shards = {name: read_table(args.images / name / INDEX, "image_index") for name in args.shards}
    index = index_of_cohort(read_table(args.slices, "slices")["slice"], shards)
    write_table(args.images / INDEX, index, "image_index")
    if removed := remove_what_is_old(args.images, shards):
        log(f"removed {removed} old folders and files")
    log(f"{len(index)} slices")


if __name__ == "__main__":
    run(main)
