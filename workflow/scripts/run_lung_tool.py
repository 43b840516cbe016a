"""Segment the cases of one shard with a lung segmentation tool of others, one after the other."""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from lungsight.program import parser, progress, run
from lungsight.segmentation.run_tool import tool_mask
from lungsight.segmentation.shard import Segmented, segment_apart
from lungsight.segmentation.volumes import Image, read_image, write_mask


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    arguments = parser(__doc__)
    arguments.add_argument("--program", required=True, help="command of the tool")
    arguments.add_argument("--settings", type=json.loads, required=True, help="the tool and its settings, as JSON")
    arguments.add_argument("--volumes", type=Path, required=True, help="folder of the shard's volumes in HU")
    arguments.add_argument("--threads", type=int, required=True, help="processor cores")
    arguments.add_argument("--masks", type=Path, required=True, help="output folder")
    return arguments.parse_args()


def segment(case: str, volumes: Path, args: argparse.Namespace) -> Segmented:
    """Segment one case by its volume in HU."""
    path = volumes / f"{case}.nii.gz"
    image = read_image(path, case)
    return image, tool_mask(path, image.affine, args.settings, args.program, args.threads)


def write(image: Image, mask: np.ndarray, masks: Path) -> None:
    """Write the mask of a case."""
    write_mask(masks / f"{image.case}.nii.gz", mask, image.affine)


def main() -> None:
    """Write the masks."""
    args = parse_args()
    cases = sorted(path.name.removesuffix(".nii.gz") for path in args.volumes.glob("*.nii.gz"))
    args.masks.mkdir(parents=True, exist_ok=True)
    done = segment_apart(
        cases, partial(segment, volumes=args.volumes, args=args), partial(write, masks=args.masks), processes=1
    )
    for _ in progress(done, "cases", total=len(cases)):
        pass


if __name__ == "__main__":
    run(main)
