"""Tell the classes of one cohort's test patients apart by metadata alone: what a shortcut could be made of."""

import argparse
from pathlib import Path

from lungsight.audit.metadata_classifier import feature_groups, grey_histograms, metadata_of_slices, metadata_rows
from lungsight.program import parser, run
from lungsight.tables import read_table, write_table
from lungsight.training.image_cache import CachedImages


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort in one framework")
    arguments.add_argument("--slices", type=Path, required=True, help="slices.tsv of the cohort")
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the cohort")
    arguments.add_argument("--images", type=Path, required=True, help="image cache, as the framework shows it")
    arguments.add_argument("--masks", type=Path, required=True, help="image cache, lung masks")
    arguments.add_argument("--index", type=Path, required=True, help="image cache, slice of each row")
    arguments.add_argument("--positive", required=True, help="label of the positive class")
    arguments.add_argument("--resamples", type=int, required=True, help="patients drawn anew for intervals")
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--table", type=Path, required=True, help="output")
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    split = read_table(args.split, schema="split")
    images, masks = (CachedImages.open(path, args.index) for path in (args.images, args.masks))
    slices, cases = read_table(args.slices, schema="slices"), read_table(args.cases, schema="cases")
    histograms = grey_histograms(images.pixels, masks.pixels, images.rows_of(split["slice"]))
    groups = feature_groups(metadata_of_slices(split, slices, cases), histograms)
    rows = metadata_rows(split, groups, args.positive, args.resamples, args.seed)
    write_table(args.table, rows, schema="audit")


if __name__ == "__main__":
    run(main)
