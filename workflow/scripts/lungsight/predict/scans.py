"""Find the scans in a folder. Standard library alone, since every job parses the workflow again."""

import os
from pathlib import Path

from lungsight.intake.file_names import (
    HEAD,
    PICTURE_ENDINGS,
    VOLUME_ENDINGS,
    guess_patient,
    is_leftover,
    looks_like_dicom,
)

_DICOM_NAMES = (".dcm", ".ima")


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in _DICOM_NAMES:
        return True
    try:
        with open(path, "rb") as file:
            return looks_like_dicom(file.read(HEAD))
    except OSError:
        return False


def _format_of(path: Path) -> str | None:
    name = path.name.lower()
    if name.endswith(PICTURE_ENDINGS):
        return "png"
    if name.endswith(VOLUME_ENDINGS):
        return "nifti"
    return "dicom" if _is_dicom(path) else None


def find_scans(root: Path) -> dict[str, list[dict[str, str]]]:
    """List the scans below a folder by format: one for each folder with a DICOM file, NIfTI volume and picture.

    A DICOM file is known by its name or its first bytes. Links to folders are followed, each folder once; hidden files
    and what file systems leave are not listed.

    Returns
    -------
    dict
        Format (dicom, nifti, png) → rows `patient path`, ordered by path.
    """
    rows: dict[str, list[dict[str, str]]] = {"dicom": [], "nifti": [], "png": []}
    seen: set[str] = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [
            name for name in sorted(folders) if not is_leftover(Path(name)) and _is_new(Path(folder, name), seen)
        ]
        has_dicom = False
        for name in sorted(name for name in names if not is_leftover(Path(name))):
            path = Path(folder) / name
            # The first DICOM file decides for a folder of hundreds.
            if has_dicom and not name.lower().endswith((*PICTURE_ENDINGS, *VOLUME_ENDINGS)):
                continue
            format = _format_of(path)
            if format == "dicom":
                has_dicom = True
                rows[format].append(_row(path.parent, root, format))
            elif format:
                rows[format].append(_row(path, root, format))
    return rows


def _is_new(folder: Path, seen: set[str]) -> bool:
    """Tell whether a folder is entered for the first time, by whatever name, and remember it."""
    place = os.path.realpath(folder)
    new = place not in seen
    seen.add(place)
    return new


def _row(path: Path, root: Path, format: str) -> dict[str, str]:
    """Make the row of a scan. A file directly below the root has no folder that names its patient."""
    loose = format != "dicom" and path.parent == root
    return {"patient": "" if loose else guess_patient(path, root, format), "path": os.path.relpath(path, root)}
