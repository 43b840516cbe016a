"""Find what can be predicted in a folder: standard library only, since every job parses the workflow again."""

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


def _kind(path: Path) -> str | None:
    name = path.name.lower()
    if name.endswith(PICTURE_ENDINGS):
        return "png"
    if name.endswith(VOLUME_ENDINGS):
        return "nifti"
    return "dicom" if _is_dicom(path) else None


def find_scans(root: Path) -> dict[str, list[dict[str, str]]]:
    """By format (dicom, nifti, png) the rows `patient path` of what lies below a folder, ordered by path.

    A row for every folder with a DICOM file, by its name or its first bytes; for every NIfTI volume; for every picture.
    Links to folders are not followed, and hidden files are left out.
    """
    found: dict[str, list[dict[str, str]]] = {"dicom": [], "nifti": [], "png": []}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        has_dicom = False
        for name in sorted(name for name in names if not name.startswith(".")):
            path = Path(folder) / name
            # One DICOM file tells what a folder of hundreds is.
            if has_dicom and not name.lower().endswith((*PICTURE_ENDINGS, *VOLUME_ENDINGS)):
                continue
            kind = _kind(path)
            if kind == "dicom":
                has_dicom = True
                found[kind].append(_row(path.parent, root, kind))
            elif kind:
                found[kind].append(_row(path, root, kind))
    return found


def _row(path: Path, root: Path, kind: str) -> dict[str, str]:
    """A file directly below the root has no folder that could name its patient: it counts as one of its own."""
    loose = kind != "dicom" and path.parent == root
    return {"patient": "" if loose else guess_patient(path, root, kind), "path": os.path.relpath(path, root)}
