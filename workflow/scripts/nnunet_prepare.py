"""Make an nnU-Net dataset from the train and val cases, or slices: raw files, plans, preprocessed slices, our split."""

import argparse
import json
from pathlib import Path

from lungsight.layout import CASES, NIFTI, TRUTH
from lungsight.program import parser, run
from lungsight.segmentation.dataset import add_lesions, check_masks, plan_and_preprocess, write_raw_dataset, write_split
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: cases, images, contours")
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort")
    arguments.add_argument("--settings", type=json.loads, required=True, help="size of the network, as JSON")
    arguments.add_argument("--lesion-seed", type=int, help="paste lesions into copies of the training cases")
    arguments.add_argument("--threads", type=int, required=True, help="processes")
    arguments.add_argument("--dataset", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def main() -> None:
    """Write the dataset."""
    args = parse_args()
    cases = read_table(args.cohort / CASES, schema="cases")[["case", "row", "shard"]]
    cases = read_table(args.split, schema="segmentation_split").merge(cases, on="case", validate="many_to_one")
    cases = cases[cases["split"] != "test"]
    check_masks(cases, args.cohort / TRUTH)
    write_raw_dataset(args.dataset / "raw", cases, args.cohort / NIFTI, args.cohort / TRUTH)
    diseased = [] if args.lesion_seed is None else add_lesions(args.dataset / "raw", cases, args.lesion_seed)
    plan_and_preprocess(args.dataset, **args.settings, workers=min(args.threads, len(cases)))
    write_split(args.dataset, cases, diseased)


if __name__ == "__main__":
    run(main)
