"""Find the scans in a folder. Standard library alone, since every job parses the workflow again."""

import os
from pathlib import Path

from lungsight.intake.file_names import PICTURE_ENDINGS, VOLUME_ENDINGS, guess_patient

_DICOM_NAMES = (".dcm", ".ima")
_MAGIC_AT, _MAGIC = 128, b"DICM"


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() in _DICOM_NAMES:
        return True
    try:
        with open(path, "rb") as file:
            file.seek(_MAGIC_AT)
            return file.read(len(_MAGIC)) == _MAGIC
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
    are left out.

    Returns
    -------
    dict
        Format (dicom, nifti, png) → rows `patient path`, ordered by path.
    """
    rows: dict[str, list[dict[str, str]]] = {"dicom": [], "nifti": [], "png": []}
    seen: set[str] = {os.path.realpath(root)}
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [
            name for name in sorted(folders) if not name.startswith(".") and _is_new(Path(folder, name), seen)
        ]
        has_dicom = False
        for name in sorted(name for name in names if not name.startswith(".")):
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
