"""Count which damage of JPEG Lossless streams the decoders notice, and which our check of the stream refuses.

python benchmarks/jpeg_lossless_damage.py SLICE.dcm … [--times 60]

The stream of each file is damaged many times. Each damaged stream goes to each decoder, in a separate process, since
some streams crash it. A row is printed for every kind of damage. It counts how often each decoder crashed, refused,
made the right image or made a wrong one, and how often the check refused. Of the streams that passed the check, it
counts those that crash a decoder, and those of which imagecodecs makes an image where gdcm refuses.
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
from lungsight.intake.jpeg_lossless import check_stream
from lungsight.intake.quiet import quiet

DECODERS = ("gdcm", "imagecodecs")
# Kind of damage → factor on --times. Headers get more: they are short, and most of their bytes matter.
KINDS = {
    "one byte": 1,
    "eight bytes": 1,
    "cut short": 1,
    "byte of the headers": 12,
    "byte more": 1,
    "bytes left out": 1,
}


def damage(kind: str, stream: bytes, rng: np.random.Generator) -> bytes:
    """Return the stream with one damage of this kind, at a random place."""
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
    """Decode the image as stored; None where the decoder refuses."""
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
    """Silence a decoding process: the libraries print a message for every damaged stream."""
    quiet()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


class Apart:
    """Run calls in a separate process, and replace the process when it crashes."""

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
