"""Count how many good scans the plausibility check refuses, and how many spoiled ones it recognises.

python benchmarks/plausibility.py FOLDER …

Every CT slice and every picture below the folders counts as good: each folder of slices as one scan, each slice alone,
and both cropped to the middle half. Then the same scans are spoiled in the ways that users report. A row is printed for
the good ones and for each way: how many were refused, how many got a note.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.errors import BadCase
from lungsight.intake.decode import stored_values
from lungsight.intake.file_names import PICTURE_ENDINGS
from lungsight.intake.headers import SliceHeader, read_header
from lungsight.intake.hounsfield import sampled, to_hounsfield
from lungsight.intake.image import load_grey
from lungsight.intake.plausibility import Doubt, doubts_about_hounsfield, doubts_about_picture
from lungsight.intake.quiet import quiet
from lungsight.intake.slice_files import files_below

Scan = list[np.ndarray]


def scans_below(folder: Path) -> Iterator[Scan]:
    """Yield the sampled HU of the slices in each folder that have one size."""
    groups: dict[tuple, Scan] = defaultdict(list)
    for ordinal, path in enumerate(files_below(folder, folder), start=1):
        try:
            header = read_header(path, ordinal)
            if isinstance(header, SliceHeader) and header.slope is not None and header.intercept is not None:
                hounsfield = to_hounsfield(stored_values(header).values, header.slope, header.intercept)
                groups[path.parent, hounsfield.shape].append(sampled(hounsfield))
        except BadCase:
            continue
    yield from groups.values()


def pictures_below(folder: Path) -> Iterator[np.ndarray]:
    """Yield the pictures below a folder."""
    for path in files_below(folder, folder):
        if path.suffix.lower() in PICTURE_ENDINGS:
            try:
                yield load_grey(path)
            except BadCase:
                continue


def middle(plane: np.ndarray) -> np.ndarray:
    """Crop to the middle half of both sides."""
    rows, columns = plane.shape
    return plane[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4]


def windowed(plane: np.ndarray) -> np.ndarray:
    return np.rint((np.clip(plane, -1250, 250) + 1250) / 1500 * 255)


def wrapped(plane: np.ndarray) -> np.ndarray:
    """Read 12 signed bits as unsigned."""
    return np.where(plane < 0, np.clip(plane, -2048, 0) + 4096, plane)


def ringed(plane: np.ndarray, value: float) -> np.ndarray:
    """Fill what lies outside the inscribed circle."""
    r, c = np.indices(plane.shape)
    rows, columns = plane.shape
    outside = ((r - rows / 2) / (rows / 2)) ** 2 + ((c - columns / 2) / (columns / 2)) ** 2 > 1
    return np.where(outside, value, plane)


SPOILED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "HU + 1024": lambda plane: plane + 1024,
    "HU + 1024, padding -2000 as well": lambda plane: ringed(plane, -2000) + 1024,
    "HU + 1000, cut at 0": lambda plane: np.maximum(plane + 1000, 0),
    "intercept twice": lambda plane: plane - 1024,
    "intercept twice, padding": lambda plane: ringed(plane, -2000) - 1024,
    "12 bits wrapped": wrapped,
    "8-bit window": windowed,
    "8-bit window, intercept -1024": lambda plane: windowed(plane) - 1024,
    "padding 3071": lambda plane: ringed(plane, 3071),
    "negated": lambda plane: -plane,
    "body mask": lambda plane: (plane > -300).astype(float),
    "labels": lambda plane: np.digitize(plane, [-700, -200, 200]).astype(float),
    "zeros": np.zeros_like,
    "HU × 2": lambda plane: 2 * plane,
    "HU / 2": lambda plane: plane / 2,
    "HU - 500": lambda plane: plane - 500,
    "HU + 500": lambda plane: plane + 500,
    "padding 0": lambda plane: ringed(plane, 0),
    "padding 1024": lambda plane: ringed(plane, 1024),
    "stored values × 1.6": lambda plane: 1.6 * (plane + 1024) - 1024,
    "subtraction": lambda plane: np.random.default_rng(1).normal(0, 8, plane.shape) + 60 * (plane > 60),
}
SPOILED_PICTURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "16 bits, HU + 32768": lambda grey: ((grey / 255 * 1500 - 1250 + 32768) * 255 // 65535).astype(np.uint8),
    "16 bits, 12 used": lambda grey: (grey.astype(int) * 16 * 255 // 65535).astype(np.uint8),
    "16 bits, windowed": lambda grey: grey,
    "two values": lambda grey: np.where(grey > 128, 255, 0).astype(np.uint8),
    "inverted": lambda grey: 255 - grey,
}


class Table:
    """Rows of counts by what was done to the scans."""

    def __init__(self) -> None:
        self.rows: dict[str, Counter] = defaultdict(Counter)

    def count(self, name: str, doubts: list[Doubt]) -> None:
        row = self.rows[name]
        row["scans"] += 1
        row["refused"] += any(doubt.certain for doubt in doubts)
        row["noted"] += bool(doubts) and not any(doubt.certain for doubt in doubts)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folders", type=Path, nargs="+")
    quiet()
    table = Table()
    for folder in arguments.parse_args().folders:
        for scan in scans_below(folder):
            table.count("good: series", doubts_about_hounsfield(scan))
            table.count("good: series, middle half", doubts_about_hounsfield([middle(plane) for plane in scan]))
            for plane in scan:
                table.count("good: one slice", doubts_about_hounsfield([plane]))
                table.count("good: one slice, middle half", doubts_about_hounsfield([middle(plane)]))
            for name, spoil in SPOILED.items():
                table.count(name, doubts_about_hounsfield([spoil(plane) for plane in scan]))
        for grey in pictures_below(folder):
            table.count("good: picture", doubts_about_picture(grey))
            table.count("good: picture, middle half", doubts_about_picture(middle(grey)))
            for name, spoil in SPOILED_PICTURES.items():
                table.count(f"picture: {name}", doubts_about_picture(spoil(grey), 16 if "16" in name else 8))
    print(pd.DataFrame(table.rows).T.to_string())


if __name__ == "__main__":
    main()
