"""Find slices that several patients share, within a cohort and across cohorts.

Makes R/cohorts/duplicates.tsv from the slices of all labelled cohorts and the perceptual hashes of their shards.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungsight.intake.duplicates import find_duplicates
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cohorts", nargs="+", required=True)
    arguments.add_argument("--slices", type=Path, nargs="+", required=True, help="one table per cohort, in their order")
    arguments.add_argument("--shard-slices", type=Path, nargs="+", required=True, help="of all shards of all cohorts")
    arguments.add_argument("--distance", type=int, required=True, help="bits in which near twins may differ")
    arguments.add_argument("--duplicates", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    tables = [
        read_table(path, schema="slices").assign(cohort=name, folder=path.parent)
        for name, path in zip(args.cohorts, args.slices, strict=True)
    ]
    converted = pd.concat([read_table(path, schema="converted_slices") for path in args.shard_slices])
    pictures = converted.loc[converted["blank"] == 0, ["slice", "perceptual_hash"]]
    slices = pd.concat(tables).merge(pictures, on="slice", validate="one_to_one")
    files = [folder / png for folder, png in zip(slices["folder"], slices["png"], strict=True)]
    duplicates = find_duplicates(slices, args.distance, lambda place: np.asarray(Image.open(files[place])))
    write_table(args.duplicates, duplicates, schema="duplicates")
    log(f"{len(duplicates)} of {len(slices)} slices have a twin in another patient or under another label")


if __name__ == "__main__":
    run(main)
