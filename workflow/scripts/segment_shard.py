"""Make a lung mask for every usable case of one shard, on the grid of its image.

A case whose segmentation fails gets no mask, and the log says so; quality control and the tables behind it give the
reason.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from lungsight.program import parser, progress, run
from lungsight.segmentation.postprocess import postprocess
from lungsight.segmentation.shard import Segmented, segment_cases
from lungsight.segmentation.volumes import Image, read_image, write_mask
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the shard")
    arguments.add_argument("--nifti", type=Path, required=True, help="folder of the shard's images")
    arguments.add_argument("--model", type=Path, nargs="?", help="nnU-Net model folder; none for the classical method")
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="method, mirroring and postprocessing, as JSON"
    )
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--masks", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def method_of(args: argparse.Namespace) -> Callable[[Iterable[Image]], Iterator[Segmented]]:
    """Return the chosen method: images → each with its mask."""
    if args.settings["method"] == "classical":
        from lungsight.segmentation.classical import lung_mask

        return lambda images: ((image, lung_mask(image.volume, image.spacing)) for image in images)
    # Imported here: the classical method shall not wait for PyTorch.
    from lungsight.segmentation.predict import load_predictor, predict_masks

    return partial(predict_masks, load_predictor(args.model, args.settings["mirroring"], args.threads))


def main() -> None:
    """Write the masks."""
    args = parse_args()
    cases = read_table(args.cases, schema="converted_cases").query("status == 'ok'").set_index("case")
    segment, options = method_of(args), args.settings["postprocessing"]
    has_spacing = dict(zip(cases.index, cases["spacing_row"].notna(), strict=True))  # pictures have none

    def read(case: str) -> Image:
        return read_image(args.nifti / f"{case}.nii.gz", case, bool(has_spacing[case]))

    def postprocessed(images: Iterable[Image]) -> Iterator[Segmented]:
        for image, mask in segment(images):
            yield image, postprocess(mask, image.volume, image.spacing, **options)

    args.masks.mkdir(parents=True, exist_ok=True)
    for image, mask in progress(segment_cases(list(cases.index), read, postprocessed), "cases", total=len(cases)):
        write_mask(args.masks / f"{image.case}.nii.gz", mask, image.affine)


if __name__ == "__main__":
    run(main)
