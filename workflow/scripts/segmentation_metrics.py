"""Compare predicted masks with the contours, case by case; draw how training went and the cases that went worst."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.errors import BadCase
from lungsight.program import parser, progress, run
from lungsight.segmentation.agreement import compare_masks, no_mask
from lungsight.segmentation.training_figure import draw_curve
from lungsight.segmentation.volumes import mask_that_fits, read_image, read_mask
from lungsight.segmentation.worst_cases_figure import Comparison, draw_worst, slices_of, worst_cases
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--nifti", type=Path, required=True, help="folder of the shards' images")
    arguments.add_argument("--truth", type=Path, required=True, help="folder of the shards' masks by contour")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the shards' predicted masks")
    arguments.add_argument("--training", type=Path, help="table of epochs, where a network was trained")
    arguments.add_argument("--metrics", type=Path, required=True)
    arguments.add_argument("--curve", type=Path, required=True)
    arguments.add_argument("--worst", type=Path, required=True)
    return arguments.parse_args()


def main() -> None:
    args = parse_args()
    shards = read_table(args.cases, schema="cases").set_index("case")["shard"]
    split = read_table(args.split, schema="segmentation_split")
    files = {case: Path(shards[case]) / f"{case}.nii.gz" for case in split["case"]}
    rows = []
    for case, own in progress(split.groupby("case", sort=False), "cases", total=split["case"].nunique()):
        truth, affine = read_mask(args.truth / files[case])
        predicted, why = predicted_mask(args.masks / files[case], truth.shape)
        for _, row in own.iterrows():
            shown = slices_of(row)
            if predicted is None:
                agreement = no_mask(truth[:, :, shown], affine, why)
            else:
                agreement = compare_masks(truth[:, :, shown], predicted[:, :, shown], affine)
            rows.append({"split": row["split"], "case": case} | agreement | row.filter(["z_index"]).to_dict())
    write_table(args.metrics, rows, schema="segmentation_metrics")
    metrics = read_table(args.metrics, schema="segmentation_metrics")
    training = read_table(args.training, schema="segmentation_training") if args.training else None
    draw_curve(args.curve, metrics, training)
    draw_worst(args.worst, [comparison_of(row, files[row["case"]], args) for _, row in worst_cases(metrics).iterrows()])


def predicted_mask(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """A case's predicted mask, or why there is none."""
    try:
        return mask_that_fits(path, shape), ""
    except BadCase as error:
        return None, str(error)


def comparison_of(row: pd.Series, file: Path, args: argparse.Namespace) -> Comparison:
    """A row of metrics.tsv with its image and both masks."""
    parts = (
        read_image(args.nifti / file, row["case"]).volume,
        *(read_mask(folder / file)[0] for folder in (args.truth, args.masks)),
    )
    shown = slices_of(row)
    return Comparison(row, shown.start or 0, *(part[:, :, shown] for part in parts))


if __name__ == "__main__":
    run(main)
