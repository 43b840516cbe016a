"""Masks that fit their image are read; for all others the reason is given."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from lungsight.errors import BadCase
from lungsight.segmentation.volumes import mask_that_fits, write_mask

MASK = np.zeros((8, 9, 3), bool)
MASK[2:4, 2:5, 1] = True


def test_a_mask_that_fits_is_read(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.nii.gz", MASK, np.eye(4))
    mask = mask_that_fits(tmp_path / "m.nii.gz", MASK.shape)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK)


def text(path: Path) -> None:
    path.write_text("the mask was mailed separately")


def in_colours(path: Path) -> None:
    colours = np.zeros(MASK.shape, [(name, np.uint8) for name in "RGB"])
    nibabel.save(nibabel.Nifti1Image(colours, np.eye(4)), path)


def with_header(offset: int, format: str, *values: float) -> Callable[[Path], None]:
    """Write a mask with other bytes in its header. The offsets are those of nifti1.h."""

    def write(path: Path) -> None:
        write_mask(path, MASK, np.eye(4))
        content = bytearray(gzip.decompress(path.read_bytes()))
        struct.pack_into(f"<{format}", content, offset, *values)
        path.write_bytes(gzip.compress(content))

    return write


@pytest.mark.parametrize(
    ("write", "why"),
    [
        pytest.param(lambda path: None, "there is no file", id="absent"),
        pytest.param(lambda path: path.mkdir(), "there is no file", id="folder"),
        pytest.param(text, "damaged", id="text"),
        pytest.param(in_colours, "damaged", id="colours"),
        pytest.param(with_header(42, "3h", 32767, 32767, 32767), "voxels, the image", id="larger than the memory"),
        pytest.param(with_header(42, "h", -1), "voxels, the image|damaged", id="negative size"),
        pytest.param(with_header(70, "h", -26215), "damaged", id="unknown data type"),
        pytest.param(with_header(108, "f", float("inf")), "damaged", id="voxels that begin nowhere"),
        pytest.param(
            lambda path: write_mask(path, MASK[..., None], np.eye(4)), r"\(8, 9, 3, 1\) voxels", id="four axes"
        ),
    ],
)
def test_a_mask_that_cannot_be_used_has_a_reason(tmp_path: Path, write: Callable[[Path], None], why: str) -> None:
    write(tmp_path / "m.nii.gz")
    with pytest.raises(BadCase, match=why):
        mask_that_fits(tmp_path / "m.nii.gz", MASK.shape)
