"""Measure the classical masks on phantoms that were turned into pictures as papers print them.

python benchmarks/picture_masks.py [--patients 6] [--seed 801] [--matrix 256] [--size 512]

Each picture is a slice of a phantom, whose lungs are known, in another window, crop, padding or with letters. The table
has Dice with the truth, the shares of pictures that quality control keeps, and the seconds of a mask on one core.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from lungsight.config import config_schema  # noqa: E402
from lungsight.demo.anatomy import thorax  # noqa: E402
from lungsight.intake.geometry import image_to_slice, slice_to_image  # noqa: E402
from lungsight.qc.rules import decide  # noqa: E402
from lungsight.qc.scores import volume_scores  # noqa: E402
from lungsight.segmentation.agreement import dice  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402

LIMITS = config_schema()["properties"]["qc"]["properties"]["rules"]["properties"]
RULES = {name: limit["default"] for name, limit in LIMITS.items()}
SHOWN = 0.05  # share of the slice that lungs cover at least in the slices that are made into pictures


class Picture(NamedTuple):
    """Hold a picture, (rows, columns) uint8, and the true lungs in it, bool."""

    grey: np.ndarray
    lungs: np.ndarray


Change = Callable[[Picture], Picture]


def windowed(hounsfield: np.ndarray, level: float, width: float) -> np.ndarray:
    return np.round(255 * np.clip((hounsfield - level) / width + 0.5, 0, 1)).astype(np.uint8)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    (top, bottom), (left, right) = (np.flatnonzero(mask.any(axis=axis))[[0, -1]] for axis in (1, 0))
    return top, bottom, left, right


def cropped(picture: Picture, margin: float) -> Picture:
    """Cut a picture to its lungs; a negative margin, as a share of their width, cuts into them."""
    top, bottom, left, right = _box(picture.lungs)
    more = round(margin * (right - left))
    part = slice(max(0, top - more), bottom + more + 1), slice(max(0, left - more), right + more + 1)
    return Picture(picture.grey[part].copy(), picture.lungs[part])


def padded(picture: Picture) -> Picture:
    """Blacken all but a round field of view that cuts off skin and arms, and add a black margin."""
    top, bottom, left, right = _box(picture.lungs)
    rows, columns = np.indices(picture.grey.shape)
    reach = np.hypot(rows - (top + bottom) / 2, columns - (left + right) / 2)
    grey = np.where(reach <= 0.54 * np.hypot(bottom - top, right - left), picture.grey, 0)
    margin = round(0.1 * len(grey))
    return Picture(*(np.pad(part, margin) for part in (grey, picture.lungs)))


def lettered(picture: Picture) -> Picture:
    """Write letters, a scale and an arrow over a picture, as figures have them."""
    image = Image.fromarray(picture.grey)
    draw, (height, width) = ImageDraw.Draw(image), picture.grey.shape
    draw.text((0.02 * width, 0.02 * height), "A", fill=255, font_size=max(10, height // 12))
    draw.text((0.75 * width, 0.93 * height), "L 12 mm", fill=255, font_size=max(8, height // 20))
    draw.line([(0.97 * width, 0.3 * height), (0.97 * width, 0.7 * height)], fill=255, width=2)
    _, bottom, left, right = _box(picture.lungs)
    tip = (left + 0.2 * (right - left), 0.6 * bottom)
    draw.line([(tip[0] + 0.07 * width, tip[1] + 0.07 * height), tip], fill=255, width=3)
    return Picture(np.asarray(image), picture.lungs)


def margined(picture: Picture) -> Picture:
    """Leave the white margin of a page around a picture."""
    margin = round(0.06 * len(picture.grey))
    grey = np.pad(picture.grey, margin, constant_values=255)
    return Picture(grey, np.pad(picture.lungs, margin))


def same(picture: Picture) -> Picture:
    return picture


LUNG, WIDE, SOFT, NARROW = (-600, 1500), (-100, 2400), (40, 400), (-600, 700)
# Window and changes of each kind of picture.
KINDS: dict[str, tuple[tuple[int, int], tuple[Change, ...]]] = {
    "lung window": (LUNG, ()),
    "narrow lung window": (NARROW, ()),
    "wide window": (WIDE, ()),
    "soft-tissue window, lung is black": (SOFT, ()),
    "cropped around the lungs": (LUNG, (lambda picture: cropped(picture, 0.04),)),
    "cropped, lungs at the border": (LUNG, (lambda picture: cropped(picture, 0.0),)),
    "cropped into the lungs": (LUNG, (lambda picture: cropped(picture, -0.02),)),
    "cropped, soft-tissue window": (SOFT, (lambda picture: cropped(picture, 0.04),)),
    "round field padded with black": (LUNG, (padded,)),
    "round field, wide window": (WIDE, (padded,)),
    "letters and an arrow": (LUNG, (lettered,)),
    "cropped, with letters": (LUNG, (lambda picture: cropped(picture, 0.04), lettered)),
    "white margin and letters": (LUNG, (margined, lettered)),
}


def pictures_of(kind: str, seed: int, matrix: int = 256, slices: int = 6, disease: str = "none") -> Iterator[Picture]:
    """Make the pictures of a kind from one patient."""
    window, changes = KINDS[kind]
    made = thorax(
        seed=seed,
        matrix=matrix,
        slices=slices,
        scanner="alpha" if seed % 2 else "beta",
        disease=disease,
        lungs_only=True,
    )
    for k in range(slices):
        lungs = slice_to_image(made.lung[:, :, k])
        if lungs.mean() < SHOWN:
            continue
        picture = Picture(windowed(slice_to_image(made.hu[:, :, k]), *window), lungs)
        for change in changes:
            picture = change(picture)
        yield picture


def mask_of(picture: Picture) -> np.ndarray:
    """Find the lungs as the workflow does, (rows, columns) bool."""
    volume = image_to_slice(picture.grey.astype(np.float32) / 255)[:, :, np.newaxis]
    return slice_to_image(lung_mask(volume)[:, :, 0])


def decision_on(grey: np.ndarray, mask: np.ndarray) -> pd.Series:
    """Decide on a picture, (rows, columns) uint8, and its mask, as the workflow does."""
    image = grey[np.newaxis].astype(np.float32) / 255
    scores = volume_scores(image, mask[np.newaxis], RULES["soft_level"], RULES["air_level"], known_window=False)
    return decide(pd.DataFrame(scores), RULES).iloc[0]


def kept(picture: Picture, mask: np.ndarray) -> tuple[int, int]:
    """Return what quality control keeps: the whole picture, and the segmented one."""
    decision = decision_on(picture.grey, mask)
    return int(decision["whole_keep"]), int(decision["segmented_keep"])


def seconds_of_a_mask(size: int, count: int = 8) -> float:
    """Time masks of pictures of a size, in seconds of one core."""
    (picture, *_) = pictures_of("lung window", 1, matrix=size, slices=1)
    start = time.process_time()
    for _ in range(count):
        mask_of(picture)
    return (time.process_time() - start) / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=6)
    parser.add_argument("--seed", type=int, default=801, help="of the first patient")
    parser.add_argument("--matrix", type=int, default=256)
    parser.add_argument("--size", type=int, default=512, help="of the pictures that are timed")
    args = parser.parse_args()
    rows = []
    for kind in KINDS:
        for seed in range(args.seed, args.seed + args.patients):
            for picture in pictures_of(kind, seed, args.matrix):
                mask = mask_of(picture)
                rows.append((kind, dice(picture.lungs, mask), *kept(picture, mask)))
    found = pd.DataFrame(rows, columns=["pictures", "Dice", "kept whole", "kept segmented"])
    grouped = found.groupby("pictures", sort=False)
    table = grouped.mean().round(3)
    table.insert(0, "n", grouped.size())
    table.insert(2, "lowest Dice", grouped["Dice"].min().round(3))
    print(table.to_string())
    print(f"{seconds_of_a_mask(args.size):.3f} s a picture of {args.size} × {args.size}, on one core")


if __name__ == "__main__":
    main()
