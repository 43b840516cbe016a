"""Make the table of how well metadata alone tell the classes of a cohort's test patients apart."""

import argparse
import json
from pathlib import Path

from lungsight.audit.metadata_classifier import feature_groups, grey_histograms, metadata_of_slices, metadata_rows
from lungsight.layout import CASES, SLICES
from lungsight.program import parser, run
from lungsight.qc.summary import accepted_masks
from lungsight.tables import read_table, write_table
from lungsight.training.image_cache import CachedImages


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort, named <input view>.tsv")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: cases, slices")
    arguments.add_argument("--images", type=Path, required=True, help="folder of the cohort's cached images")
    arguments.add_argument("--manifest", type=Path, required=True, help="which masks passed quality control")
    arguments.add_argument(
        "--statistics",
        type=json.loads,
        required=True,
        help="classes in order, resamples of intervals and seed, as JSON",
    )
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    """Write the table."""
    args = parse_args()
    split = read_table(args.split, schema="split")
    images, masks = (CachedImages.of(args.images, name) for name in (args.split.stem, "masks"))
    slices, cases = read_table(args.cohort / SLICES, schema="slices"), read_table(args.cohort / CASES, schema="cases")
    histograms = grey_histograms(images.pixels, masks.pixels, images.rows_of(split["slice"]))
    groups = feature_groups(metadata_of_slices(split, slices, cases), histograms)
    accepted = split["slice"].isin(accepted_masks(read_table(args.manifest, schema="manifest"))).to_numpy()
    rows = metadata_rows(split, groups, accepted, **args.statistics)
    write_table(args.table, rows, schema="audit")


if __name__ == "__main__":
    run(main)
