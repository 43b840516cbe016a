"""Segment the lungs of one shard: a mask for every usable case, on the grid of its image.

A case whose segmentation fails has none, which the log says; quality control and the tables behind it give the reason.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from lungsight.program import parser, progress, run
from lungsight.segmentation.postprocess import postprocess
from lungsight.segmentation.shard import Segmented, segment_cases
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


def masks_by_method(args: argparse.Namespace) -> Callable[[Iterable[Image]], Iterator[Segmented]]:
    """The chosen method: images → each with its mask."""
    if args.method == "classical":
        from lungsight.segmentation.classical import lung_mask

        return lambda images: ((image, lung_mask(image.volume, image.spacing)) for image in images)
    # Imported here: the classical method shall not wait for PyTorch.
    from lungsight.segmentation.predict import load_predictor, predict_masks

    return partial(predict_masks, load_predictor(args.model, args.mirroring, args.threads))


def main() -> None:
    args = parse_args()
    cases = read_table(args.cases, schema="converted_cases").query("status == 'ok'").set_index("case")
    masks_of = masks_by_method(args)

    def read(case: str) -> Image:
        """A cohort of pictures knows no spacing."""
        return read_image(args.nifti / f"{case}.nii.gz", case, not np.isnan(cases.loc[case, "spacing_row"]))

    def mended(images: Iterable[Image]) -> Iterator[Segmented]:
        for image, mask in masks_of(images):
            yield image, postprocess(mask, image.volume, image.spacing, **args.postprocessing)

    args.masks.mkdir(parents=True, exist_ok=True)
    for image, mask in progress(segment_cases(list(cases.index), read, mended), "cases", total=len(cases)):
        write_mask(args.masks / f"{image.case}.nii.gz", mask, image.affine)


if __name__ == "__main__":
    run(main)
