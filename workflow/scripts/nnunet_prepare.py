"""Make an nnU-Net dataset of the train and val cases, or slices: raw files, plans, preprocessed slices, our split."""

import argparse
import json
from pathlib import Path

from lungsight.program import parser, run
from lungsight.segmentation.dataset import check_masks, plan_and_preprocess, write_raw_dataset, write_split
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--nifti", type=Path, required=True, help="folder of the shards' images")
    arguments.add_argument("--truth", type=Path, required=True, help="folder of the shards' masks")
    arguments.add_argument("--settings", type=json.loads, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--dataset", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    cases = read_table(args.cases, schema="cases")[["case", "row", "shard"]]
    cases = read_table(args.split, schema="segmentation_split").merge(cases, on="case", validate="many_to_one")
    cases = cases[cases["split"] != "test"]
    check_masks(cases, args.truth)
    write_raw_dataset(args.dataset / "raw", cases, args.nifti, args.truth)
    plan_and_preprocess(args.dataset, **args.settings, workers=min(args.threads, len(cases)))
    write_split(args.dataset, cases)


if __name__ == "__main__":
    run(main)
