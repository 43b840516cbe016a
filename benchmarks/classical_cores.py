"""Measure whether the classical method uses the cores that `segment_shard` reserves: two against one, taking turns.

    python benchmarks/classical_cores.py [--pictures 24] [--rounds 3]

It segments pictures of phantoms as `segment_shard` does, and prints the seconds of every round and the ratio of the
medians. Other work on the machine takes cores from both alike, so the ratio is then one of what was left.
"""

import argparse
import os
import sys
import time
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "workflow" / "scripts")]

from benchmarks.picture_masks import pictures_of  # noqa: E402
from lungsight.intake.geometry import image_to_slice  # noqa: E402
from lungsight.segmentation.classical import lung_mask  # noqa: E402
from lungsight.segmentation.shard import Segmented, segment_apart  # noqa: E402
from lungsight.segmentation.volumes import Image, read_image, write_mask, write_volume  # noqa: E402

SIZE = 512


def segment(case: str, folder: Path) -> Segmented:
    """Read a picture and find its lungs."""
    image = read_image(folder / f"{case}.nii.gz", case, spacing_known=False)
    return image, lung_mask(image.volume / 255, image.spacing)


def write(image: Image, mask: np.ndarray, folder: Path) -> None:
    write_mask(folder / "masks" / f"{image.case}.nii.gz", mask, image.affine)


def seconds(cases: list[str], folder: Path, processes: int) -> float:
    """Time all cases."""
    start = time.perf_counter()
    list(segment_apart(cases, partial(segment, folder=folder), partial(write, folder=folder), processes))
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    (picture, *_) = pictures_of("lung window", 1, matrix=SIZE, slices=1)
    plane = image_to_slice(picture.grey)[:, :, np.newaxis]
    cases = [f"{number:016x}" for number in range(args.pictures)]
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "masks").mkdir()
        for case in cases:
            write_volume(folder / f"{case}.nii.gz", plane, np.eye(4))
        rounds = [(seconds(cases, folder, 1), seconds(cases, folder, 2)) for _ in range(args.rounds)]
    for one, two in rounds:
        print(f"one process {one:.1f} s, two {two:.1f} s")
    one, two = (median(times) for times in zip(*rounds, strict=True))
    print(f"ratio of the medians {one / two:.2f}; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
