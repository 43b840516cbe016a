"""Hold a case after the window: its voxels as integer codes, their grid, its acquisition; write it as NIfTI and PNG."""

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
from lungsight.intake.plausibility import Doubt

COMPRESSION = 1  # of volumes: much faster than the default, files about a tenth larger
SAME_FORM = 1e-4  # mm; below it, sform and qform differ by rounding alone
# Half the time of level 1 alone, and smaller files: in CT a neighbour predicts a pixel better than an earlier string.
_PNG_ENCODING = {"level": 1, "strategy": imagecodecs.PNG.STRATEGY.RLE, "filter": imagecodecs.PNG.FILTER.PAETH}


@dataclass(frozen=True)
class Window:
    """The HU that become 0 and 1, and the integer codes between them.

    The codes 0 … `max_code` stand for 0 … 1. If both limits are whole numbers and the width allows it, `max_code` is a
    multiple of the width. Every whole HU then has its own code and reads back exactly. Other HU read back within half
    a code.

    Attributes
    ----------
    low, high : float
        HU.
    """

    low: float
    high: float

    @cached_property
    def max_code(self) -> int:
        """The code that stands for 1, at most 65535."""
        width = self.high - self.low
        exact = float(self.low).is_integer() and float(self.high).is_integer() and width <= 65535
        return int(65535 // width * width) if exact else 65535

    def encode(self, hounsfield: np.ndarray) -> np.ndarray:
        """Clip float32 HU to the window and code them as uint16, in the same shape."""
        scaled = np.clip(hounsfield, self.low, self.high)
        scaled -= np.float32(self.low)
        scaled *= np.float32(self.max_code / (self.high - self.low))
        return np.rint(scaled, out=scaled).astype(np.uint16)


def slope_of(max_code: int) -> np.float32:
    """Find the largest float32 that, times `max_code`, is at most 1: the scl_slope of a NIfTI in [0, 1]."""
    slope = np.float32(1 / max_code)
    return slope if float(slope) * max_code <= 1 else np.nextafter(slope, np.float32(0))


@dataclass
class AcquisitionMetadata:
    """How a case was acquired: columns of the table `converted_cases`.

    Unknown values are None or "". Lengths are in mm, `hu_p01`, `hu_p50` and `hu_p99` are percentiles in HU before the
    window. `kernel`, `manufacturer` and `transfer_syntax` are words of `acquisition`.
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
    """A case after the window, on canonical axes.

    Attributes
    ----------
    voxels : (i, j, k) uint16 or uint8
        Codes 0 … `max_code`, which stand for 0 … 1.
    max_code : int
    affine : (4, 4) array
        From the index to mm in RAS.
    acquisition : AcquisitionMetadata
    frame_of_reference : str
        The DICOM UID that contours must name; "" if there is none.
    series : str
        SeriesInstanceUID; "" if there is none.
    notes : list of str
        What was left out or looks odd. Notes reach `cases.tsv` and name nobody.
    doubts : list of Doubt
        Why its values may not be what they are taken for; `intake.plausibility` says what follows.
    patient : str
        PatientID, to compare and never to print; "" if there is none.
    """

    voxels: np.ndarray
    max_code: int
    affine: np.ndarray
    acquisition: AcquisitionMetadata
    frame_of_reference: str = ""
    series: str = ""
    notes: list[str] = field(default_factory=list)
    doubts: list[Doubt] = field(default_factory=list)
    patient: str = field(default="", repr=False)

    def images(self) -> Iterator[np.ndarray]:
        """Yield the slices from the feet up as 8-bit images (rows, columns) in LPS order.

        A pixel is round(255 · v), where v is what the written NIfTI reads back as.
        """
        grey = np.rint(255 * (np.arange(self.max_code + 1) * float(slope_of(self.max_code)))).astype(np.uint8)
        for k in range(self.voxels.shape[2]):
            yield grey[np.ascontiguousarray(slice_to_image(self.voxels[:, :, k]))]


def sha256_of_image(image: np.ndarray) -> str:
    """Hash the shape and the pixels of an 8-bit image: 64 hexadecimal digits, the same for equal images only."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an 8-bit image (rows, columns), with no text and no time in the file."""
    Path(path).write_bytes(imagecodecs.png_encode(image, **_PNG_ENCODING))


def write_nifti(path: Path, array: np.ndarray, affine: np.ndarray, slope: float | np.float32 = 1.0) -> None:
    """Write an integer volume as .nii.gz that reads back as `array` × `slope`.

    The same volume always gives the same bytes: the file holds no time, file name or description.

    Parameters
    ----------
    path : Path
    array : (i, j, k) integers
    affine : (4, 4) array
        From the index to mm in RAS.
    slope : float
    """
    header = nibabel.Nifti1Header()
    header.set_data_dtype(array.dtype)
    header.set_data_shape(array.shape)
    header.set_qform(affine, code="scanner", strip_shears=True)
    # A qform holds no shear. So that both say the same, the sform leaves out what the tolerance for tilt lets through.
    straight = np.asarray(header.get_qform())
    header.set_sform(affine if np.allclose(straight, affine, rtol=0, atol=SAME_FORM) else straight, code="scanner")
    header.set_xyzt_units("mm", "sec")
    header.set_slope_inter(slope, 0)
    header["vox_offset"] = header.single_vox_offset
    with open(path, "wb") as file, igzip.GzipFile("", "wb", COMPRESSION, fileobj=file, mtime=0) as compressed:
        compressed.write(header.binaryblock + b"\0" * (header.single_vox_offset - header.sizeof_hdr))
        for k in range(array.shape[2]):
            compressed.write(array[:, :, k].tobytes(order="F"))
