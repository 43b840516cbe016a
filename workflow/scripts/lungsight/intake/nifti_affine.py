"""Find out how a NIfTI lies. Its header says so up to three times: sform, qform and pixdim may disagree."""

from dataclasses import dataclass

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from lungsight.errors import BadCase
from lungsight.intake.geometry import (
    MAX_SLICE_SPACING,
    MAX_SPACING,
    MIN_SPACING,
    SPACING_TOLERANCE,
    is_sheared,
    unit_axes,
    voxel_spacing,
)

DIRECTION_TOLERANCE = 2e-3  # on unit vectors; the quaternion of a qform has 32 bits, which leaves an error of 7e-4
_MM_OF_UNIT = {1: ("metre", 1000.0), 3: ("micrometre", 0.001)}  # of xyzt_units; all other codes count as mm


@dataclass(frozen=True)
class _Form:
    """One statement of a header about its affine. affine: in mm; None if its numbers give no affine."""

    name: str
    affine: np.ndarray | None

    @property
    def spacing(self) -> np.ndarray:
        return np.full(3, np.nan) if self.affine is None else voxel_spacing(self.affine)

    @property
    def is_possible(self) -> bool:
        return self.affine is not None and spacing_is_possible(self.spacing)


def spacing_is_possible(spacing: np.ndarray) -> bool:
    """Tell whether all distances, in mm, are those of a CT; the largest is the one between slices."""
    *between_pixels, between_slices = np.sort(spacing)
    return bool(min(between_pixels) >= MIN_SPACING) and bool(
        max(between_pixels) <= MAX_SPACING and between_slices <= MAX_SLICE_SPACING
    )


def in_mm(spacing: np.ndarray) -> str:
    """Write distances for people: 0.8 × 0.9 × 2.5 mm."""
    return " × ".join(f"{edge:.4g}" for edge in spacing) + " mm"


def check_lies_right(affine: np.ndarray, what: str) -> None:
    """Raise BadCase if an affine has impossible spacing or is sheared. what: "NIfTI", say."""
    spacing = voxel_spacing(affine)
    if not np.isfinite(affine).all() or not spacing_is_possible(spacing):
        raise BadCase(f"the {what} has voxels of {in_mm(spacing)}, which is the spacing of no CT")
    if abs(np.linalg.det(unit_axes(affine))) < 0.1:
        raise BadCase(f"the axes of the {what}'s affine lie in one plane")
    if is_sheared(affine):
        raise BadCase(f"the {what}'s affine is sheared: a tilted gantry, or laid on an atlas")


def affine_of_header(header: nibabel.Nifti1Header) -> tuple[np.ndarray, list[str]]:
    """Find the affine of a NIfTI, where all that its header says agrees, or only one part of it is possible.

    A form that is impossible (spacing of no CT, no numbers) yields to one that is possible, with a note. Two possible
    forms must agree in spacing and direction: the qform takes its spacing from pixdim, so pixdim is no third witness.

    Parameters
    ----------
    header : nibabel.Nifti1Header
        As it lies in the file. nibabel's own reader repairs pixdim, and hides what was wrong.

    Returns
    -------
    affine : (4, 4) array
        From the index to mm in RAS.
    notes : list of str

    Raises
    ------
    BadCase
        If the header says nothing, or contradicts itself, or says what is impossible.
    """
    unit, scale = _MM_OF_UNIT.get(int(header["xyzt_units"]) & 7, ("", 1.0))
    forms = [_Form("sform", _scaled(_sform(header), scale))] if _is_code(header["sform_code"]) else []
    forms += [_Form("qform", _scaled(_qform(header), scale))] if _is_code(header["qform_code"]) else []
    if not forms:
        raise BadCase("the NIfTI does not say how it lies (qform_code and sform_code are 0)")
    possible = [form for form in forms if form.is_possible]
    if not possible:
        where = f" (xyzt_units says {unit})" if unit else ""
        raise BadCase(
            f"the spacing of the NIfTI's {' and '.join(form.name for form in forms)} is that of no CT{where}: pixdim is"
            f" {in_mm(np.asarray(header['pixdim'][1:4], float) * scale)}, the affine has"
            f" {', '.join(in_mm(form.spacing) if form.affine is not None else 'impossible numbers' for form in forms)}"
        )
    affine = possible[0].affine
    assert affine is not None
    check_lies_right(affine, "NIfTI")
    notes = [f"the NIfTI's unit was converted from {unit} to mm"] if unit else []
    if len(possible) == 2:
        notes += _compare(possible[0], possible[1])
    elif len(forms) == 2:
        wrong = next(form for form in forms if not form.is_possible)
        notes.append(f"the NIfTI's {wrong.name} is impossible; its {possible[0].name} was taken")
    elif possible[0].name == "sform":
        notes += _compare_with_pixdim(possible[0], np.asarray(header["pixdim"], float), header.get_data_shape(), scale)
    return affine, notes


def _is_code(code: np.ndarray) -> bool:
    """Tell whether a qform_code or sform_code is one of the standard."""
    return 1 <= int(code) <= 5


def _scaled(affine: np.ndarray | None, scale: float) -> np.ndarray | None:
    return None if affine is None else np.diag([scale, scale, scale, 1.0]) @ affine


def _sform(header: nibabel.Nifti1Header) -> np.ndarray | None:
    affine = np.asarray(header.get_sform(), float)
    return affine if np.isfinite(affine).all() and np.linalg.det(affine[:3, :3]) else None


def _qform(header: nibabel.Nifti1Header) -> np.ndarray | None:
    """Compute the affine of the qform; None where pixdim or the quaternion is impossible."""
    pixdim = np.asarray(header["pixdim"], float)
    axes = max(2, min(3, len(header.get_data_shape())))
    known = pixdim[1 : 1 + axes]
    if not (np.isfinite(known).all() and (known > 0).all() and pixdim[0] in (-1, 0, 1)):
        return None
    copy = header.copy()
    copy["pixdim"][0] = pixdim[0] or 1
    copy["pixdim"][1 + axes : 4] = 1
    try:
        affine = np.asarray(copy.get_qform(), float)
    except (ValueError, HeaderDataError):  # a quaternion longer than 1
        return None
    return affine if np.isfinite(affine).all() else None


def _compare(sform: _Form, qform: _Form) -> list[str]:
    """Compare two possible forms; return a note if only their positions differ."""
    assert sform.affine is not None and qform.affine is not None
    if not np.allclose(sform.spacing, qform.spacing, rtol=SPACING_TOLERANCE, atol=0):
        raise BadCase(
            f"the NIfTI's sform and qform disagree: voxels of {in_mm(sform.spacing)} and of {in_mm(qform.spacing)}"
        )
    if np.abs(unit_axes(sform.affine) - unit_axes(qform.affine)).max() > DIRECTION_TOLERANCE:
        raise BadCase("the NIfTI's sform and qform disagree in the direction of their axes")
    apart = float(np.linalg.norm(sform.affine[:3, 3] - qform.affine[:3, 3]))
    if apart > 0.5 * sform.spacing.min():
        return [f"the NIfTI's sform and qform lie {apart:.4g} mm apart; the sform was taken"]
    return []


def _compare_with_pixdim(sform: _Form, pixdim: np.ndarray, shape: tuple[int, ...], scale: float) -> list[str]:
    """Compare a sform that stands alone with pixdim; return a note if pixdim was never set."""
    axes = [axis for axis, size in enumerate(shape[:3]) if size > 1]
    written = np.abs(pixdim[1:4][axes]) * scale
    if np.allclose(written, sform.spacing[axes], rtol=SPACING_TOLERANCE, atol=0):
        return []
    stated = sform.spacing.copy()
    stated[axes] = written
    if spacing_is_possible(stated) and not np.allclose(written, scale):
        raise BadCase(
            f"the NIfTI's sform and pixdim disagree: voxels of {in_mm(sform.spacing[axes])} and of {in_mm(written)}"
        )
    return ["the NIfTI's pixdim was not set; the spacing of its sform was taken"]
