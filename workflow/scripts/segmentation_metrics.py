"""Make the table of agreement between predicted masks and contours, case by case."""

import argparse
from pathlib import Path

import numpy as np

from lungsight.errors import BadCase
from lungsight.layout import CASES, TRUTH
from lungsight.program import parser, progress, run
from lungsight.segmentation.agreement import compare_masks, no_mask, slices_of
from lungsight.segmentation.volumes import mask_that_fits, read_mask
from lungsight.tables import read_table, write_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cohort", type=Path, required=True, help="folder of the cohort: cases, masks by contour")
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort")
    arguments.add_argument("--masks", type=Path, required=True, help="folder of the predicted masks by shard")
    arguments.add_argument("--metrics", type=Path, required=True, help="output")
    return arguments.parse_args()


def predicted_mask(path: Path, shape: tuple[int, ...]) -> tuple[np.ndarray | None, str]:
    """Read a case's predicted mask, or say why there is none."""
    try:
        return mask_that_fits(path, shape), ""
    except BadCase as error:
        return None, str(error)


def main() -> None:
    """Write the metrics."""
    args = parse_args()
    shards = read_table(args.cohort / CASES, schema="cases").set_index("case")["shard"]
    split = read_table(args.split, schema="segmentation_split")
    rows = []
    for case, own in progress(split.groupby("case", sort=False), "cases", total=split["case"].nunique()):
        file = Path(shards[case]) / f"{case}.nii.gz"
        truth, affine = read_mask(args.cohort / TRUTH / file)
        predicted, why = predicted_mask(args.masks / file, truth.shape)
        for _, row in own.iterrows():
            shown = slices_of(row)
            if predicted is None:
                agreement = no_mask(truth[:, :, shown], affine, why)
            else:
                agreement = compare_masks(truth[:, :, shown], predicted[:, :, shown], affine)
            rows.append({"split": row["split"], "case": case} | agreement | row.filter(["z_index"]).to_dict())
    write_table(args.metrics, rows, schema="segmentation_metrics")


if __name__ == "__main__":
    run(main)
