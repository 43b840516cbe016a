"""Make the pictures of one model's explanation, overlays and mean maps, from its saliency, maps and cached images.

Writes overlays/ and mean_maps.png into the folder of the explanation.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.map_files import load_maps
from lungsight.explain.margin import FROM_SPACING
from lungsight.explain.mean_map import load_mean_maps
from lungsight.explain.overlays import draw_mean_maps, draw_overlays
from lungsight.explain.sampling import pictures_of
from lungsight.files import atomic_path
from lungsight.layout import MAPS, MEAN_MAPS, MEAN_MAPS_PICTURE, OVERLAYS, SALIENCY
from lungsight.program import parser, run
from lungsight.tables import read_table
from lungsight.training.image_cache import CachedImages
from lungsight.training.pipelines import pipeline_and_stage


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument(
        "--explanation", type=Path, required=True, help="folder of the explanation, input and output"
    )
    arguments.add_argument("--pictures", type=int, required=True, help="overlays of each outcome, at most")
    return arguments.parse_args()


def main() -> None:
    """Draw the overlays and the mean maps."""
    args = parse_args()
    saliency = read_table(args.explanation / SALIENCY, schema="saliency")
    pictures = pictures_of(saliency, args.pictures)
    names = pd.Series([picture["slice"] for picture in pictures], dtype=object)
    # What has no spacing is a picture, and nobody knows which of its sides is which.
    origin = saliency.set_index("slice")["margin_from"]
    pipeline, _ = pipeline_and_stage(args.explanation)
    images, masks = (CachedImages.of(args.images, name) for name in (pipeline.input_view, "masks"))
    rows = images.rows_of(names)
    draw_overlays(
        args.explanation / OVERLAYS,
        pictures,
        np.asarray(images.pixels[rows]),
        np.asarray(masks.pixels[rows]) > 0,
        load_maps(args.explanation / MAPS, names),
        list(origin.reindex(names) == FROM_SPACING),
    )
    with atomic_path(args.explanation / MEAN_MAPS_PICTURE) as temporary:
        temporary.write_bytes(draw_mean_maps(load_mean_maps(args.explanation / MEAN_MAPS)))


if __name__ == "__main__":
    run(main)
