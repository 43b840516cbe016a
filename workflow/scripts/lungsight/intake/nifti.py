"""Read a volume from one file (NIfTI, NRRD, MetaImage) as input, and convert it to a windowed volume."""

import re
import zlib
from io import BufferedIOBase
from pathlib import Path
from typing import NamedTuple, cast

import nibabel
import numpy as np
from isal import igzip, isal_zlib
from nibabel.fileholders import FileHolder

from lungsight.errors import BadCase
from lungsight.intake import itk_volumes
from lungsight.intake.file_kinds import (
    ANALYZE,
    DICOM,
    HEAD,
    META_IMAGE,
    NIFTI,
    NIFTI2,
    NRRD,
    PAIR,
    header_file,
    is_gzip,
    kind_of,
    other_half,
    unpacked,
)
from lungsight.intake.geometry import to_canonical, voxel_spacing
from lungsight.intake.headers import MAX_PIXELS
from lungsight.intake.hounsfield import percentiles, sampled
from lungsight.intake.nifti_affine import affine_of_header, check_lies_right, in_mm
from lungsight.intake.plausibility import Doubt, doubts_about_hounsfield, doubts_about_unit_values
from lungsight.intake.text_headers import MORE_SLICES
from lungsight.intake.volume import AcquisitionMetadata, Volume, Window

MAX_VOXELS = 1 << 30
MOST_BESIDE_VOXELS = 1 << 20  # bytes of the header, its extensions and padding
AIR = -300.0  # HU; a chest CT contains air, and air is far below this
SQUARE = 0.01  # the sides of a CT pixel are equal
# mm of a whole volume. Fewer is no chest, if there are as many pixels as a scan of a chest has; more is no person.
LEAST_WIDTH, MOST_WIDTH, MOST_HEIGHT = 100.0, 1000.0, 2200.0
MANY_PIXELS = 128
# From here on, slices lie farther apart than their pixels: where these are square, and where they are not.
THICKER, OFF_SQUARE = 1.2, 1.5

_TAG = re.compile(r"(\w+) \([0-9a-f]{4},[0-9a-f]{4}\)", re.IGNORECASE)
_HALF = "the NIfTI is one half of a pair, and its other half (.hdr, .img) is not beside it: write one file, .nii.gz"
_CLASSES = {NIFTI: nibabel.Nifti1Image, PAIR: nibabel.Nifti1Pair, NIFTI2: nibabel.Nifti2Image}
_GZIP_DAMAGE = cast("type[Exception]", isal_zlib.error)  # its stub calls it an instance
_DAMAGES = (OSError, EOFError, zlib.error, _GZIP_DAMAGE, ValueError, OverflowError)


class Grid(NamedTuple):
    """A volume as read from a file, on canonical axes.

    Attributes
    ----------
    values : (i, j, k) float32
    affine : (4, 4) array
        From the index to mm in RAS.
    notes : list of str
        What was odd about its header.
    """

    values: np.ndarray
    affine: np.ndarray
    notes: list[str]


def load_volume(path: Path) -> Grid:
    """Read a three-dimensional NIfTI, NRRD or MetaImage by its content, whatever its name says.

    Raises
    ------
    BadCase
        For a file of another kind, another number of axes, no stated or a contradictory orientation, sheared axes,
        colours, a size beyond any CT, values that are not finite, and files that cannot be read.
    """
    path = header_file(path)
    try:
        with unpacked(path) as file:
            head = file.read(HEAD)
    except _DAMAGES as error:
        raise BadCase("the NIfTI is truncated or damaged") from error
    kind = kind_of(head)
    if kind in _CLASSES:
        return load_nifti(path, kind)
    if kind in (NRRD, META_IMAGE):
        if is_gzip(path):
            raise BadCase(f"the {kind} is compressed as a whole: unpack it")
        return _load_itk(path, kind)
    if kind == DICOM:
        raise BadCase("the file is DICOM and no NIfTI")
    if kind == ANALYZE:
        raise BadCase("the file is Analyze 7.5 and no NIfTI, and does not say how it lies: write .nii.gz")
    if kind:
        raise BadCase(f"the file is no readable NIfTI, it is a {kind}: write .nii.gz, .mha or .nrrd")
    if path.name.lower().removesuffix(".gz").endswith(".img"):
        raise BadCase(_HALF)
    raise BadCase("the file is no readable NIfTI")


def load_nifti(path: Path, kind: str = NIFTI) -> Grid:
    """Read a NIfTI, with its scl_slope applied; see `load_volume`."""
    with unpacked(path) as file:
        head = file.read(HEAD)
        file.seek(0)
        if kind == PAIR:
            voxel_file = other_half(path, ".hdr", ".img")
            if not voxel_file:
                raise BadCase(_HALF)
            with unpacked(voxel_file) as voxels:
                return _grid_of_nifti(kind, head, {"header": file, "image": voxels})
        return _grid_of_nifti(kind, head, {"image": file})


def _grid_of_nifti(kind: str, head: bytes, files: dict[str, BufferedIOBase]) -> Grid:
    """Read a NIfTI from its open files, to their ends. head: its first bytes."""
    try:
        header = _raw_header(kind, head)
        shape, dtype = header.get_data_shape(), np.dtype(header.get_data_dtype())
    except Exception as error:  # a damaged header fails in any of nibabel's many ways
        raise BadCase("the file is no readable NIfTI: its header is damaged") from error
    if dtype.names or dtype.kind == "c":
        raise BadCase("the NIfTI holds colours or complex numbers")
    if dtype.kind not in "iuf":
        raise BadCase("the file is no readable NIfTI: its datatype is unknown")
    shape = _three_axes(shape, "NIfTI")
    if np.isinf([header["scl_slope"], header["scl_inter"]]).any():
        raise BadCase("the file is no readable NIfTI: scl_slope or scl_inter is infinite")
    affine, notes = affine_of_header(header)
    try:
        image = _CLASSES[kind].from_file_map({name: FileHolder(fileobj=file) for name, file in files.items()})
    except Exception as error:  # nibabel looks at more than was read above
        raise BadCase("the file is no readable NIfTI: its header is damaged") from error
    try:
        if not 0 <= float(header["vox_offset"]) <= MOST_BESIDE_VOXELS:
            raise ValueError("no header is so long")
        values = image.get_fdata(dtype=np.float32, caching="unchanged").reshape(shape)
        size = values.size * dtype.itemsize
        ends = {name: _end_of(file, size + MOST_BESIDE_VOXELS) for name, file in files.items()}
    except _DAMAGES as error:
        raise BadCase("the NIfTI is truncated or damaged") from error
    if ends["image"] - image.dataobj.offset - size >= size // shape[2]:
        raise BadCase(f"the NIfTI {MORE_SLICES}")
    return _canonical(values, affine, notes, "NIfTI")


def _raw_header(kind: str, head: bytes) -> nibabel.Nifti1Header:
    """Read a header as it lies in the file."""
    header_class = _CLASSES[kind].header_class
    return header_class(head[: header_class.template_dtype.itemsize], check=False)


def _three_axes(shape: tuple[int, ...], what: str) -> tuple[int, int, int]:
    """Check the shape of a volume and give it three axes: trailing axes of length 1 count for nothing."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if len(shape) not in (2, 3):
        raise BadCase(f"the {what} has {len(shape)} axes; one volume has 3")
    columns, rows, slices = (*shape, 1)[:3]
    if min(shape) < 1:
        raise BadCase(f"the {what} holds no voxel")
    if float(columns) * rows * slices > MAX_VOXELS or columns * rows > MAX_PIXELS:
        raise BadCase(f"the {what}'s header says it is larger than any CT")
    return columns, rows, slices


def _canonical(values: np.ndarray, affine: np.ndarray, notes: list[str], what: str) -> Grid:
    if not np.isfinite(values).all():
        raise BadCase(f"the {what} holds NaN or infinite values")
    return Grid(*to_canonical(values, affine), notes)


def _load_itk(path: Path, kind: str) -> Grid:
    """Read a NRRD or MetaImage; see `load_volume`."""
    header = itk_volumes.header_of(path, kind)
    shape = _three_axes(tuple(header.reader.GetSize()), kind)
    affine = itk_volumes.affine_of(header.reader)
    check_lies_right(affine, kind)
    return _canonical(itk_volumes.voxels_of(header, kind).reshape(shape, order="F"), affine, [], kind)


def _end_of(file: BufferedIOBase, most: int) -> int:
    """Find the end of an open file, and check its checksum if it is a gzip stream; most: as in `read_to_end`."""
    if isinstance(file, igzip.IGzipFile):
        read_to_end(file, most)
        return file.tell()
    return file.seek(0, 2)


def read_to_end(file: BufferedIOBase, most: int) -> None:
    """Read an open gzip stream to its end, where its checksum is: nibabel stops after the voxels.

    Raises
    ------
    OSError, EOFError, zlib.error
        For a damaged file.
    ValueError
        For a file that goes on long after its voxels. most: the bytes that it may have.
    """
    while file.read(1 << 20):
        if file.tell() > most:
            raise ValueError("more than the header says")


def check_axial(affine: np.ndarray, shape: tuple[int, ...]) -> list[str]:
    """Check that a volume is a stack of axial slices.

    Parameters
    ----------
    affine : (4, 4) array
        Of the volume on canonical axes.
    shape : (i, j, k)

    Returns
    -------
    list of str
        A note where the affine was probably never set.

    Raises
    ------
    BadCase
        For coronal and sagittal stacks: their slices lie farther apart than their pixels. Also for an array z, y, x
        under the identity, and for a volume that is larger than a person or smaller than a chest.
    """
    right, front, up = voxel_spacing(affine)
    if _are_stacked(right, front, up) or _are_stacked(front, right, up):
        raise BadCase(
            f"no axial CT slice: {in_mm(np.array([right, front, up]))} from right to left, back to front and feet to"
            " head are those of a coronal or sagittal stack"
        )
    _check_extents(np.array([right, front, up]) * shape, shape)
    if not np.array_equal(np.abs(affine[:3, :3]), np.eye(3)):
        return []
    if shape[0] != shape[1] == shape[2] or 2 * shape[0] < min(shape[1:]):
        raise BadCase("no axial CT slice: under an affine of 1 mm the first axis looks like the slices (z, y, x)")
    return [] if affine[:3, 3].any() else ["the affine is the identity: spacing and orientation may be unknown"]


def _check_extents(extents: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raise BadCase for a volume, of so many mm and voxels, that holds no chest."""
    sides = zip(extents[:2], shape[:2], strict=True)
    narrow = any(extent < LEAST_WIDTH for extent, size in sides if size >= MANY_PIXELS)
    if narrow or extents[:2].max() > MOST_WIDTH or extents[2] > MOST_HEIGHT:
        raise BadCase(
            f"the volume measures {in_mm(extents)} from right to left, back to front and feet to head, which is no"
            " chest: its spacing is wrong, or its axes are in another order"
        )


def _are_stacked(across: float, along: float, up: float) -> bool:
    """Tell whether slices lie `across` mm apart and have pixels of `along` × `up` mm: they are not axial."""
    square = np.isclose(along, up, rtol=SQUARE, atol=0)
    return across > (THICKER if square else OFF_SQUARE) * along


def value_range(values: np.ndarray) -> str:
    """Recognise what the values of a volume are.

    Returns
    -------
    str
        "unit" if all lie in [0, 1], "hu" if they reach down to air.

    Raises
    ------
    BadCase
        If neither holds.
    """
    low, high = float(values.min()), float(values.max())
    if low >= 0 and high <= 1:
        return "unit"
    if low < AIR:
        return "hu"
    raise BadCase(f"values from {low:.6g} to {high:.6g} are neither HU with air (below {AIR:g}) nor in [0, 1]")


def read_nifti(path: Path, window: Window, min_slices: int, values_are: str = "auto") -> Volume:
    """Convert a volume in a file of its own: NIfTI, NRRD or MetaImage.

    Parameters
    ----------
    path : Path
    window : Window
        For HU.
    min_slices : int
        Volumes with fewer slices are refused.
    values_are : {"auto", "hu", "unit"}
        What the values are: HU, already in [0, 1], or whatever `value_range` recognises.

    Raises
    ------
    BadCase
        As `load_volume`, `check_axial` and `value_range` do, and for too few slices.
    """
    values, affine, notes = load_volume(path)
    if values.shape[2] < min_slices:
        raise BadCase(f"{values.shape[2]} slices, min_slices is {min_slices}")
    notes += check_axial(affine, values.shape)
    spacing = voxel_spacing(affine)
    acquisition = AcquisitionMetadata(
        rows=values.shape[1],
        columns=values.shape[0],
        spacing_row=float(spacing[1]),
        spacing_column=float(spacing[0]),
        spacing_slice=float(spacing[2]),
    )
    if values_are == "auto":
        values_are = value_range(values)
    samples = [sampled(values[:, :, k]) for k in range(values.shape[2])]
    if values_are == "hu":
        acquisition.hu_p01, acquisition.hu_p50, acquisition.hu_p99 = percentiles(samples)
    elif values.min() < 0 or values.max() > 1:
        raise BadCase("values are not in [0, 1], as intake.nifti_values: unit says")
    else:
        window = Window(0, 1)
    doubts = doubts_about_hounsfield(samples) if values_are == "hu" else doubts_about_unit_values(samples)
    voxels = np.empty(values.shape, np.uint16, order="F")
    for k in range(values.shape[2]):
        voxels[:, :, k] = window.encode(values[:, :, k])
    doubts = [Doubt(_without_tags(doubt.words), doubt.certain) for doubt in doubts]
    return Volume(voxels, window.max_code, affine, acquisition, notes=notes, doubts=doubts)


def _without_tags(words: str) -> str:
    """Write names of DICOM elements as words, since no volume has these: rescale intercept."""
    return _TAG.sub(lambda found: re.sub("(?<=[a-z])(?=[A-Z])", " ", found[1]).lower(), words)
