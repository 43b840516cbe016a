"""Which damage of JPEG Lossless streams decoders notice, and what our check of a stream's build refuses before them.

python benchmarks/jpeg_lossless_damage.py SLICE.dcm … [--times 60]

A stream of each file is damaged again and again; a damaged one goes to each decoder in a process of its own, since
some end it. Prints a row for every kind of damage: how often each decoder crashed, refused, made the right image or a
wrong one; how often the check refused; and of what passed it, how often imagecodecs made an image that gdcm refused.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import pixel_array

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.errors import BadCase
from lungsight.intake.cases import quiet
from lungsight.intake.jpeg_lossless import check_stream

DECODERS = ("gdcm", "imagecodecs")
# Kind of damage → how many times as often as --times: headers are short, and most of what is in them matters.
KINDS = {
    "one byte": 1,
    "eight bytes": 1,
    "cut short": 1,
    "byte of the headers": 12,
    "byte more": 1,
    "bytes left out": 1,
}


def damage(kind: str, stream: bytes, rng: np.random.Generator) -> bytes:
    coded, end = stream.index(b"\xff\xda") + 12, len(stream) - 2
    changed = bytearray(stream)
    if kind in ("one byte", "eight bytes"):
        for place in rng.integers(coded, end, 1 if kind == "one byte" else 8):
            changed[place] = rng.integers(256)
    elif kind == "cut short":
        del changed[rng.integers(coded, end) :]
    elif kind == "byte of the headers":
        changed[rng.integers(coded)] = rng.integers(256)
    elif kind == "byte more":
        changed.insert(rng.integers(coded, end), rng.integers(255))
    else:
        place = rng.integers(coded, end)
        del changed[place : min(place + rng.integers(1, 2000), end)]
    return bytes(changed)


def decode(decoder: str, path: Path, stream: bytes) -> np.ndarray | None:
    """The image as stored, None where the decoder refuses."""
    dataset = pydicom.dcmread(path)
    try:
        if decoder == "imagecodecs":
            image = imagecodecs.ljpeg_decode(stream)
        else:
            dataset.PixelData = encapsulate([stream])
            image = pixel_array(dataset, raw=True, decoding_plugin=decoder)
    except Exception:
        return None
    right_size = image.shape == (dataset.Rows, dataset.Columns)
    return image.astype(np.uint16) & ((1 << dataset.BitsStored) - 1) if right_size else None


def start() -> None:
    """What a decoding process does first: libraries write of every damaged stream to the terminal."""
    quiet()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class Apart:
    """Calls in a process of its own, which is replaced when it ends."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(1, initializer=start)

    def outcome(self, right: np.ndarray, function: Callable, *arguments: object) -> str:
        try:
            image = self._pool.submit(function, *arguments).result()
        except BrokenProcessPool:
            self._pool = ProcessPoolExecutor(1, initializer=start)
            return "crashed"
        if image is None:
            return "refused"
        return "right" if np.array_equal(image, right) else "wrong"


def passes(stream: bytes, dataset: pydicom.Dataset) -> bool:
    try:
        check_stream(stream, dataset.Rows, dataset.Columns)
    except BadCase:
        return False
    return True


def count(path: Path, times: int, apart: Apart) -> dict[str, Counter]:
    dataset, rng = pydicom.dcmread(path), np.random.default_rng(3)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    right = decode("gdcm", path, stream)
    found = {}
    for kind, often in KINDS.items():
        counts = found[kind] = Counter()
        for _ in range(times * often):
            damaged = damage(kind, stream, rng)
            outcome = {decoder: apart.outcome(right, decode, decoder, path, damaged) for decoder in DECODERS}
            passed = passes(damaged, dataset)
            counts["times"] += 1
            counts.update(f"{decoder} {what}" for decoder, what in outcome.items())
            counts["check refuses"] += not passed
            counts["passes, a decoder crashes"] += passed and "crashed" in outcome.values()
            worse = passed and outcome["gdcm"] == "refused" and outcome["imagecodecs"] in ("right", "wrong")
            counts["passes, imagecodecs alone makes an image"] += worse
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("slices", type=Path, nargs="+")
    arguments.add_argument("--times", type=int, default=60)
    args = arguments.parse_args()
    apart, total = Apart(), {kind: Counter() for kind in KINDS}
    for path in args.slices:
        for kind, counts in count(path, args.times, apart).items():
            total[kind].update(counts)
    print(pd.DataFrame(total).fillna(0).astype(int).T.to_string())


if __name__ == "__main__":
    main()
