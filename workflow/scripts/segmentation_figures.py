"""Make the pictures of the segmentation, curve.png and worst.png, from its tables and the masks of the worst cases."""

import argparse
from pathlib import Path

import pandas as pd

from lungsight.layout import CASES, NIFTI, TRUTH
from lungsight.program import parser, run
from lungsight.segmentation.agreement import slices_of
from lungsight.segmentation.training_figure import draw_curve
from lungsight.segmentation.volumes import read_image, read_mask
from lungsight.segmentation.worst_cases_figure import Comparison, draw_worst, worst_cases
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--metrics", type=Path, required=True, help="agreement with the contours")
    arguments.add_argument("--training", type=Path, nargs="?", help="table of epochs, where a network was trained")
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: cases, images, contours")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the predicted masks by shard")
    arguments.add_argument("--curve", type=Path, required=True, help="output: how training went, Dice of every case")
    arguments.add_argument("--worst", type=Path, required=True, help="output: the cases with the lowest Dice")
    return arguments.parse_args()


def read_comparison(row: pd.Series, shard: str, args: argparse.Namespace) -> Comparison:
    """Read the image and both masks of a row of metrics.tsv."""
    file = Path(shard) / f"{row['case']}.nii.gz"
    image = read_image(args.cohort / NIFTI / file, row["case"]).volume
    masks = (read_mask(folder / file)[0] for folder in (args.cohort / TRUTH, args.masks))
    shown = slices_of(row)
    return Comparison(row, shown.start or 0, *(part[:, :, shown] for part in (image, *masks)))


def main() -> None:
    """Draw both pictures."""
    args = parse_args()
    metrics = read_table(args.metrics, schema="segmentation_metrics")
    training = read_table(args.training, schema="segmentation_training") if args.training else None
    shards = read_table(args.cohort / CASES, schema="cases").set_index("case")["shard"]
    draw_curve(args.curve, metrics, training)
    worst = [row for _, row in worst_cases(metrics).iterrows()]
    draw_worst(args.worst, [read_comparison(row, shards[row["case"]], args) for row in worst])


if __name__ == "__main__":
    run(main)
