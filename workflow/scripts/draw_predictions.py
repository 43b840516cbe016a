"""Make pictures of where a model looks in new scans, from its maps, its slices' predictions and the cached images."""

import argparse
from pathlib import Path

from lungsight.explain.map_files import load_maps
from lungsight.predict.cases import pictured
from lungsight.predict.overlays import draw_pictures
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.image_cache import CachedImages


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--slice-predictions", type=Path, required=True, help="a row for every slice used")
    arguments.add_argument("--maps", type=Path, required=True, help="raw maps of these slices")
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the new scans")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cached images")
    arguments.add_argument("--input-view", required=True, help="what the network sees: whole or segmented")
    arguments.add_argument("--overlays", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Draw the chosen slices of every scan."""
    args = parse_args()
    chosen = pictured(read_table(args.slice_predictions, "new_slice_predictions"))
    images, masks = (CachedImages.of(args.images, name) for name in (args.input_view, "masks"))
    maps = load_maps(args.maps, chosen["slice"])
    draw_pictures(args.overlays, chosen, images, masks, maps, read_table(args.cases, "cases"))


if __name__ == "__main__":
    run(main)
