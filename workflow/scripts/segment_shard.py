"""Make a lung mask for every usable case of one shard, on the grid of its image, or take the user's or a tool's.

A case whose segmentation fails gets no mask, and the log says so; quality control and the tables behind it give the
reason.
"""

import argparse
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from lungsight.layout import TAKEN_LUNGS
from lungsight.program import parser, progress, run
from lungsight.segmentation.classical import lung_mask
from lungsight.segmentation.postprocess import postprocess
from lungsight.segmentation.shard import Segmented, segment_apart, segment_cases
from lungsight.segmentation.volumes import Image, mask_that_fits, read_image, write_mask
from lungsight.tables import read_table


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--cases", type=Path, required=True, help="cases.tsv of the shard")
    arguments.add_argument("--nifti", type=Path, required=True, help="folder of the shard's images")
    arguments.add_argument("--model", type=Path, nargs="?", help="nnU-Net model folder; none for the classical method")
    arguments.add_argument("--lungs", type=Path, nargs="?", help="folder of masks that the user's table names, if any")
    arguments.add_argument("--tool", type=Path, nargs="?", help="folder of masks that a tool made, if one did")
    arguments.add_argument(
        "--settings", type=json.loads, required=True, help="method, mirroring and postprocessing, as JSON"
    )
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--masks", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def network(args: argparse.Namespace) -> Callable[[Iterable[Image]], Iterator[Segmented]]:
    """Return the network of a model folder: images → each with its mask."""
    # Imported here: the classical method shall not wait for PyTorch.
    from lungsight.segmentation.predict import load_predictor, predict_masks

    return partial(predict_masks, load_predictor(args.model, args.settings["mirroring"], args.threads))


def read(case: str, nifti: Path, has_spacing: dict[str, bool]) -> Image:
    """Read the image of a case. Pictures have no spacing."""
    return read_image(nifti / f"{case}.nii.gz", case, has_spacing[case])


def write(image: Image, mask: np.ndarray, masks: Path, options: dict) -> None:
    """Write the mask of an image after the corrections that the config asks for."""
    mask = postprocess(mask, image.volume, image.spacing, **options)
    write_mask(masks / f"{image.case}.nii.gz", mask, image.affine)


def classical(case: str, read: Callable[[str], Image]) -> Segmented:
    """Read the image of a case and find its lungs by the classical method."""
    image = read(case)
    return image, lung_mask(image.volume, image.spacing)


def found_by_tool(case: str, read: Callable[[str], Image], tool: Path) -> Segmented:
    """Read the image of a case and the mask that a tool made of it."""
    image = read(case)
    return image, mask_that_fits(tool / f"{case}.nii.gz", image.volume.shape)


def segmented(
    args: argparse.Namespace,
    cases: list[str],
    read: Callable[[str], Image],
    write: Callable[[Image, np.ndarray], None],
) -> Iterator[str]:
    """Write the mask of every case and yield the case."""
    if args.settings["method"] == "classical":
        yield from segment_apart(cases, partial(classical, read=read), write, args.threads)
        return
    if args.tool is not None:
        yield from segment_apart(cases, partial(found_by_tool, read=read, tool=args.tool), write, args.threads)
        return
    for image, mask in segment_cases(cases, read, network(args)):
        write(image, mask)
        yield image.case


def take(lungs: Path | None, masks: Path) -> set[str]:
    """Copy the masks that the user's table names. Return their cases, and those whose mask was refused."""
    if lungs is None:
        return set()
    for path in sorted(lungs.glob("*.nii.gz")):
        shutil.copyfile(path, masks / path.name)
    return set(read_table(lungs / TAKEN_LUNGS, schema="taken_lungs")["case"])


def main() -> None:
    """Write the masks."""
    args = parse_args()
    cases = read_table(args.cases, schema="converted_cases").query("status == 'ok'").set_index("case")
    has_spacing = {str(case): bool(known) for case, known in cases["spacing_row"].notna().items()}
    args.masks.mkdir(parents=True, exist_ok=True)
    taken = take(args.lungs, args.masks)
    left = [case for case in cases.index if case not in taken]
    reading = partial(read, nifti=args.nifti, has_spacing=has_spacing)
    writing = partial(write, masks=args.masks, options=args.settings["postprocessing"])
    if left:
        for _ in progress(segmented(args, left, reading, writing), "cases", total=len(left)):
            pass


if __name__ == "__main__":
    run(main)
