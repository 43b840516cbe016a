"""Make the table of slices that several patients share from the slices of all labelled cohorts.

Duplicates are found within a cohort and across cohorts, by the perceptual hashes that conversion left in the shards.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from lungsight.intake.duplicates import find_duplicates
from lungsight.layout import SHARDS, SLICES
from lungsight.program import log, parser, run
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohorts", type=Path, nargs="+", required=True, help="folders of the labelled cohorts")
    arguments.add_argument("--distance", type=int, required=True, help="bits in which near duplicates may differ")
    arguments.add_argument("--duplicates", type=Path, required=True, help="output")
    return arguments.parse_args()


def read_slices(cohort: Path) -> pd.DataFrame:
    """Read the slices of a cohort, with the file of each and the hash that its shard has for it."""
    slices = read_table(cohort / SLICES, schema="slices")
    shards = sorted((cohort / SHARDS).iterdir())
    converted = pd.concat([read_table(shard / SLICES, schema="converted_slices") for shard in shards])
    hashes = converted.loc[converted["blank"] == 0, ["slice", "perceptual_hash"]]
    files = [str(cohort / png) for png in slices["png"]]
    return slices.assign(cohort=cohort.name, file=files).merge(hashes, on="slice", validate="one_to_one")


def main() -> None:
    """Write the table of duplicates."""
    args = parse_args()
    slices = pd.concat([read_slices(cohort) for cohort in args.cohorts], ignore_index=True)
    files = list(slices["file"])
    duplicates = find_duplicates(slices, args.distance, lambda place: np.asarray(Image.open(files[place])))
    write_table(args.duplicates, duplicates, schema="duplicates")
    log(f"{len(duplicates)} of {len(slices)} slices have a duplicate in another patient or under another label")


if __name__ == "__main__":
    run(main)
