"""Make the pictures of one model's explanation, overlays and mean maps, from its saliency, maps and cached images.

Writes overlays/, layers.npz and mean_maps.png into the folder of the explanation.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.explain.layers import Layers, save_layers
from lungsight.explain.map_files import load_maps
from lungsight.explain.margin import FROM_SPACING
from lungsight.explain.mean_map import load_mean_maps
from lungsight.explain.overlays import draw_mean_maps, draw_overlays
from lungsight.explain.sampling import pictures_by_confidence, pictures_of
from lungsight.files import atomic_path
from lungsight.layout import LAYERS, MAPS, MEAN_MAPS, MEAN_MAPS_PICTURE, OVERLAYS, SALIENCY
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


def layers_of(args: argparse.Namespace, saliency: pd.DataFrame, names: pd.Series) -> Layers:
    """Read the layers of some slices of saliency.tsv."""
    # What has no spacing is a picture, and nobody knows which of its sides is which.
    origin = saliency.set_index("slice")["margin_from"]
    pipeline, _ = pipeline_and_stage(args.explanation)
    images, lungs, lesions = (CachedImages.of(args.images, name) for name in (pipeline.input_view, "masks", "lesions"))
    rows = images.rows_of(names)
    return Layers(
        slices=names.to_numpy(dtype=object),
        images=np.asarray(images.pixels[rows]),
        lungs=np.asarray(lungs.pixels[rows]) > 0,
        lesions=np.asarray(lesions.pixels[rows]) > 0,
        maps=load_maps(args.explanation / MAPS, names),
        sided=(origin.reindex(names) == FROM_SPACING).to_numpy(),
    )


def main() -> None:
    """Draw the overlays and the mean maps."""
    args = parse_args()
    saliency = read_table(args.explanation / SALIENCY, schema="saliency")
    pictures = pictures_of(saliency, args.pictures)
    drawn = [picture["slice"] for picture in pictures]
    sure = [picture["slice"] for picture in pictures_by_confidence(saliency, args.pictures)]
    layers = layers_of(args, saliency, pd.Series(list(dict.fromkeys([*drawn, *sure])), dtype=object))
    count = len(drawn)  # no slice has two outcomes, so none is drawn twice
    arrays = layers.images[:count], layers.lungs[:count], layers.maps[:count], list(layers.sided[:count])
    draw_overlays(args.explanation / OVERLAYS, pictures, *arrays)
    save_layers(args.explanation / LAYERS, layers)
    with atomic_path(args.explanation / MEAN_MAPS_PICTURE) as temporary:
        temporary.write_bytes(draw_mean_maps(load_mean_maps(args.explanation / MEAN_MAPS)))


if __name__ == "__main__":
    run(main)
