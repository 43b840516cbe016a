"""Compare predicted masks with the contours, case by case, and draw how training went."""

import argparse
from pathlib import Path

from lungsight.program import parser, progress, run
from lungsight.segmentation.agreement import compare_masks
from lungsight.segmentation.curve import draw_curve
from lungsight.segmentation.volumes import read_mask
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--truth", type=Path, required=True, help="folder of the shards' masks by contour")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the shards' predicted masks")
    arguments.add_argument("--training", type=Path, help="table of epochs, where a network was trained")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--curve", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    shards = read_table(args.cases, schema="cases").set_index("case")["shard"]
    split = read_table(args.split, schema="segmentation_split")
    rows = []
    for case in progress(split.itertuples(), "cases", total=len(split)):
        file = Path(shards[case.case]) / f"{case.case}.nii.gz"
        truth, affine = read_mask(args.truth / file)
        predicted, _ = read_mask(args.masks / file)
        rows.append({"split": case.split, "case": case.case} | compare_masks(truth, predicted, affine))
    write_table(args.metrics, rows, schema="segmentation_metrics")
    training = read_table(args.training, schema="segmentation_training") if args.training else None
    draw_curve(args.curve, read_table(args.metrics, schema="segmentation_metrics"), training)


if __name__ == "__main__":
    run(main)
