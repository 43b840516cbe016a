"""A compressed stream that is cut short is refused, although its decoder makes an image of it."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import (
    JPEG2000,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from benchmarks.stream_damage import compressed
from lungsight.errors import BadCase
from lungsight.intake.dicom import read_dicom
from lungsight.intake.volume import Window
from tests.factories.dicom import made_hu, made_series, save_series

WINDOW = Window(-1250, 250)
SYNTAXES = [
    *(JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLosslessSV1, JPEGLSLossless, JPEGLSNearLossless),
    *(JPEG2000Lossless, JPEG2000, RLELossless, HTJ2KLossless),
]


def stream_of(dataset):
    return next(generate_frames(dataset.PixelData, number_of_frames=1))


def with_stream(dataset, stream):
    dataset.PixelData = encapsulate([stream])
    dataset["PixelData"].VR = "OB"
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99])
def test_a_stream_that_is_cut_is_refused(tmp_path, syntax, share):
    dataset = compressed(syntax)
    stream = stream_of(dataset)
    read_dicom(save_series(tmp_path / "whole", [dataset]), tmp_path, WINDOW, 1)
    cut = with_stream(dataset, stream[: int(share * len(stream))])
    with pytest.raises(BadCase, match=r"\(file 1\)"):
        read_dicom(save_series(tmp_path / "cut", [cut]), tmp_path, WINDOW, 1)


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0\0\0", b"\n", b"\xff"])
def test_padding_behind_the_end_changes_nothing(tmp_path, padding):
    dataset = compressed(JPEGLSLossless)
    whole = read_dicom(save_series(tmp_path / "whole", [dataset]), tmp_path, WINDOW, 1)
    padded = with_stream(dataset, stream_of(dataset) + padding)
    volume = read_dicom(save_series(tmp_path / "padded", [padded]), tmp_path, WINDOW, 1)
    np.testing.assert_array_equal(volume.voxels, whole.voxels)


@pytest.mark.parametrize("name", ["JLSL", "JLSN", "JPLL", "J2KR", "J2KI"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_real_stream_that_is_cut(real_ct, tmp_path, name, share):
    dataset = pydicom.dcmread(real_ct / "edge" / "wg04_chest_CT1" / f"CT1_{name}.dcm")
    read_dicom(save_series(tmp_path / "whole", [dataset]), tmp_path, WINDOW, 1)
    stream = stream_of(dataset)
    cut = with_stream(dataset, stream[: int(share * len(stream))])
    with pytest.raises(BadCase):
        read_dicom(save_series(tmp_path / "cut", [cut]), tmp_path, WINDOW, 1)


def coded_series(syntax, encode):
    datasets = made_series(made_hu(rows=64, columns=80))
    for dataset in datasets:
        stored = np.clip(dataset.pixel_array, 0, 4095).astype(np.uint16)
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        with_stream(dataset, encode(stored))
        dataset.file_meta.TransferSyntaxUID = syntax
    return datasets


@pytest.mark.parametrize(
    ("syntax", "encode", "mark", "at", "eight"),
    [
        (JPEGLSLossless, lambda image: imagecodecs.jpegls_encode(image), b"\xff\xf7", 4, 8),
        (
            JPEG2000Lossless,
            lambda image: imagecodecs.jpeg2k_encode(image, codecformat="j2k", bitspersample=12, level=0),
            *(b"\xff\x4f\xff\x51", 42, 7),
        ),
    ],
    ids=["JPEG-LS", "JPEG 2000"],
)
def test_one_stream_of_another_precision(tmp_path, syntax, encode, mark, at, eight):
    datasets = coded_series(syntax, encode)
    read_dicom(save_series(tmp_path / "whole", datasets), tmp_path, WINDOW, 5)
    stream = bytearray(stream_of(datasets[4]))
    stream[stream.index(mark) + at] = eight
    with_stream(datasets[4], bytes(stream))
    with pytest.raises(BadCase, match=r"bits of a pixel .*\(file 5\)|cannot be decoded"):
        read_dicom(save_series(tmp_path / "changed", datasets), tmp_path, WINDOW, 5)
