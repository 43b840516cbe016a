"""Count how often damaged streams of nine transfer syntaxes crash a decoder, and how often they end the run.

python benchmarks/stream_damage.py [--times 300]

A slice is compressed in each of them. Its stream is damaged many times: bytes changed in the headers or anywhere, cut
short, bytes left out or inserted. Each damaged file is converted as a run converts it, in this very process: a decoder
that ended it would leave no table. The last column counts damaged files after which the whole file was no longer
converted exactly as before.
"""

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pydicom
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    UID,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))

from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.quiet import quiet
from lungsight.intake.volume import Window
from tests.factories.dicom import compress_as_jpeg_lossless, made_hu, made_series, save_series

WINDOW = Window(-1250, 250)
SYNTAXES = [
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
    *(JPEG2000Lossless, JPEG2000, RLELossless, HTJ2KLossless),
]


def compressed(syntax: UID) -> pydicom.Dataset:
    """Make a slice whose pixels are stored in a transfer syntax."""
    dataset = made_series(made_hu(n=1, rows=64, columns=80), intercept=-1024.0)[0]
    if syntax == RLELossless:
        dataset.compress(syntax)
        return dataset
    bits = 8 if syntax == JPEGBaseline8Bit else 12
    stored = np.clip(dataset.pixel_array, 0, 4095).astype(np.uint16)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    if bits == 8:
        stored, dataset.RescaleSlope, dataset.BitsAllocated = (stored // 16).astype(np.uint8), 16, 8
    dataset.PixelData = stored.tobytes()
    if syntax == JPEGLosslessSV1:
        compress_as_jpeg_lossless(dataset)
        return dataset
    encode = {
        JPEGBaseline8Bit: lambda: imagecodecs.jpeg_encode(stored, level=95),
        JPEGExtended12Bit: lambda: imagecodecs.jpeg_encode(stored, level=95, bitspersample=12),
        JPEGLSLossless: lambda: imagecodecs.jpegls_encode(stored, level=0),
        JPEGLSNearLossless: lambda: imagecodecs.jpegls_encode(stored, level=2),
        JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(stored, codecformat="j2k", bitspersample=12, level=0),
        JPEG2000: lambda: imagecodecs.jpeg2k_encode(
            stored, codecformat="j2k", bitspersample=12, level=60, reversible=False
        ),
        HTJ2KLossless: lambda: imagecodecs.htj2k_encode(stored, reversible=True),
    }
    dataset.PixelData = encapsulate([encode[syntax]()])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def damaged(stream: bytes, rng: np.random.Generator) -> bytes:
    """Return the stream with one damage."""
    changed, kind = bytearray(stream), rng.integers(6)
    reach = min(len(stream), 200) if kind < 3 else len(stream)
    places = rng.integers(reach, size=rng.integers(1, 5))
    if kind == 4:
        del changed[places[0] :]
    elif kind == 5 and rng.random() < 0.5:
        del changed[places[0] : places[0] + rng.integers(1, 500)]
    elif kind == 5:
        changed.insert(places[0], rng.integers(256))
    else:
        for place in places:
            changed[place] = rng.integers(256)
    return bytes(changed)


def count(syntax: UID, times: int, folder: Path) -> Counter:
    """Damage a slice of one transfer syntax many times and convert each."""
    dataset, rng, counts = compressed(syntax), np.random.default_rng(5), Counter()
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    whole = read_dicom(save_series(folder / "whole", [dataset]), folder, WINDOW, 1).voxels
    for _ in range(times):
        dataset.PixelData = encapsulate([damaged(stream, rng)])
        dataset["PixelData"].VR = "OB"
        save_series(folder / "damaged", [dataset])
        counts["damaged"] += 1
        try:
            read_dicom(folder / "damaged", folder, WINDOW, 1)
            counts["read"] += 1
        except BadCase as reason:
            counts["the decoder crashed" if "crashed" in str(reason) else "refused"] += 1
    after = read_dicom(folder / "whole", folder, WINDOW, 1).voxels
    counts["the run ended or changed"] = int(not np.array_equal(after, whole))
    return counts


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--times", type=int, default=300)
    times = arguments.parse_args().times
    quiet()
    with tempfile.TemporaryDirectory() as name:
        table = {syntax.name: count(syntax, times, Path(name) / str(n)) for n, syntax in enumerate(SYNTAXES)}
    rows = pd.DataFrame(table).fillna(0).astype(int).T
    print(pd.concat([rows, rows.sum().to_frame("all").T]).to_string())


if __name__ == "__main__":
    main()
