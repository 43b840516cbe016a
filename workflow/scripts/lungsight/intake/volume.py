"""A case after the window: codes that stand for [0, 1], the grid they lie on, and what was recorded on the way."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import imagecodecs
import nibabel
import numpy as np
from isal import igzip

from lungsight.intake.geometry import slice_to_image

COMPRESSION = 1  # of volumes: much faster than the default, files about a tenth larger
# Of slices: half the time of level 1 alone, and smaller: in CT a neighbour says more than an earlier string.
_PNG_ENCODING = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.PAETH}


@dataclass(frozen=True)
class Window:
    """HU that become 0 and 1, and how values between them are coded as integers.

    Integers 0 … `full` stand for 0 … 1. Where both limits are whole numbers and the width allows it, `full` is a
    multiple of the width, so every integer HU has a code of its own and comes back exactly; other HU come back
    within half a code.
    """

    low: float
    high: float

    @cached_property
    def full(self) -> int:
        width = self.high - self.low
        exact = float(self.low).is_integer() and float(self.high).is_integer() and width <= 65535
        return int(65535 // width * width) if exact else 65535

    def codes(self, hounsfield: np.ndarray) -> np.ndarray:
        """Clip float32 HU to the window; returns uint16 codes of the same shape."""
        scaled = np.clip(hounsfield, self.low, self.high)
        scaled -= np.float32(self.low)
        scaled *= np.float32(self.full / (self.high - self.low))
        return np.rint(scaled, out=scaled).astype(np.uint16)


def slope_of(full: int) -> np.float32:
    """The largest float32 that times `full` is at most 1."""
    slope = np.float32(1 / full)
    return slope if float(slope) * full <= 1 else np.nextafter(slope, np.float32(0))


@dataclass
class AcquisitionMetadata:
    """Acquisition facts of a case, None or "" where unknown; columns of `converted_cases`. The words are those of
    `acquisition`.
    """

    rows: float | None = None
    columns: float | None = None
    spacing_row: float | None = None
    spacing_column: float | None = None
    spacing_slice: float | None = None
    slice_thickness: float | None = None
    kvp: float | None = None
    contrast: int | None = None
    hu_p01: float | None = None
    hu_p50: float | None = None
    hu_p99: float | None = None
    kernel: str = ""
    manufacturer: str = ""
    transfer_syntax: str = ""
    lossy: int | None = None


@dataclass
class Volume:
    """codes: (i, j, k) uint16 or uint8, canonical axes, 0 … full for [0, 1]; affine: (4, 4) to mm in RAS.

    frame_of_reference: the DICOM UID that contours must name, "" where there is none. notes: what was left out.
    """

    codes: np.ndarray
    full: int
    affine: np.ndarray
    facts: AcquisitionMetadata
    frame_of_reference: str = ""
    notes: list[str] = field(default_factory=list)

    def images(self) -> Iterator[np.ndarray]:
        """The slices from the feet up as 8-bit images (rows, columns) in LPS order: round(255 · value read back)."""
        grey = np.rint(255 * (np.arange(self.full + 1) * float(slope_of(self.full)))).astype(np.uint8)
        for k in range(self.codes.shape[2]):
            yield grey[np.ascontiguousarray(slice_to_image(self.codes[:, :, k]))]


def sha256_of_image(image: np.ndarray) -> str:
    """SHA-256 of an 8-bit image's shape and pixels, 64 hexadecimal digits: equal for equal pictures only."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an 8-bit image (rows, columns) without any text or time in the file."""
    Path(path).write_bytes(imagecodecs.png_encode(image, **_PNG_ENCODING))


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, slope: float = 1.0) -> None:
    """Write an integer volume (i, j, k) as .nii.gz that reads back as array × slope.

    The same volume always gives the same bytes: no time, file name or description goes into the file.
    """
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(slope, 0)
    header["vox_offset"] = header.single_vox_offset
    with open(path, "wb") as file, igzip.GzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0) as compressed:
        compressed.write(header.binaryblock + b"\0" * (header.single_vox_offset - header.sizeof_hdr))
        for k in range(array.shape[2]):
            compressed.write(array[:, :, k].tobytes(order="F"))
