"""NSCLC-Radiomics (Aerts et al. 2014): a folder per patient with CT, RTSTRUCT and SEG; headers tell them apart."""

import re
from pathlib import Path

from lungsight.intake.layouts.base import Labels, Layout, LayoutRow
from lungsight.intake.layouts.folders import entries_of, find_base, folders_of, refusal

_NSCLC = "nsclc-radiomics"
_PATIENT = re.compile(r"LUNG1-\d{3}")
_MISMATCH = {"LUNG1-014", "LUNG1-021", "LUNG1-085", "LUNG1-095", "LUNG1-194"}
_NO_TUMOUR = {"LUNG1-128"}


def _holds_patients(folder: Path) -> bool:
    return any(_PATIENT.fullmatch(inner.name) for inner in folders_of(folder))


def nsclc_radiomics(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of NSCLC-Radiomics.

    A patient's folder is both the path and the mask: intake finds the CT and the contours in it.
    """
    base = find_base(root, _holds_patients, _NSCLC, "folder LUNG1-001 …", "patients")
    patients = [folder for folder in folders_of(base) if _PATIENT.fullmatch(folder.name)]
    if empty := [folder for folder in patients if not entries_of(folder)]:
        raise refusal([f"{folder.name} is empty: an incomplete download?" for folder in empty], _NSCLC, root)
    rows = []
    for folder in patients:
        note = "mismatch" if folder.name in _MISMATCH else "no_tumour" if folder.name in _NO_TUMOUR else ""
        path = folder.relative_to(root).as_posix()
        rows.append(LayoutRow(patient=folder.name, path=path, source=_NSCLC, mask=path, note=note))
    return rows


LAYOUT = Layout("dicom", ("segmentation",), nsclc_radiomics)
