"""Segment the lungs of one shard: a mask for every usable case, on the grid of its image."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.program import parser, progress, run
from lungsight.segmentation.postprocess import postprocess
from lungsight.segmentation.volumes import Image, read_image, write_mask
from lungsight.tables import read_table

METHODS = ("nnunet", "classical")


def parse_args() -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True)
    arguments.add_argument("--nifti", type=Path, required=True)
    arguments.add_argument("--method", choices=METHODS, required=True)
    arguments.add_argument("--model", type=Path, help="nnU-Net model folder; the classical method has none")
    arguments.add_argument("--mirroring", action="store_true")
    arguments.add_argument("--postprocessing", type=json.loads, default={}, help="what to mend in every mask")
    arguments.add_argument("--threads", type=int, required=True)
    arguments.add_argument("--masks", type=Path, required=True)
    return arguments.parse_args()


def images_of(cases: pd.DataFrame, nifti: Path) -> Iterator[Image]:
    """The images of the cases in table order, read one by one; a cohort of pictures knows no spacing."""
    for case in cases.itertuples():
        yield read_image(nifti / f"{case.case}.nii.gz", case.case, spacing_known=not np.isnan(case.spacing_row))


def segmented(images: Iterable[Image], args: argparse.Namespace) -> Iterator[tuple[Image, np.ndarray]]:
    """Every image with its mask, by the chosen method."""
    if args.method == "classical":
        from lungsight.segmentation.classical import lung_mask

        return ((image, lung_mask(image.volume, image.spacing)) for image in images)
    # Imported here: the classical method shall not wait for PyTorch.
    from lungsight.segmentation.predict import load_predictor, predict_masks

    return predict_masks(load_predictor(args.model, args.mirroring, args.threads), images)


def main() -> None:
    args = parse_args()
    cases = read_table(args.cases, schema="converted_cases").query("status == 'ok'")
    args.masks.mkdir(parents=True, exist_ok=True)
    for image, mask in progress(segmented(images_of(cases, args.nifti), args), "cases", total=len(cases)):
        mended = postprocess(mask, image.volume, image.spacing, **args.postprocessing)
        write_mask(args.masks / f"{image.case}.nii.gz", mended, image.affine)


if __name__ == "__main__":
    run(main)
