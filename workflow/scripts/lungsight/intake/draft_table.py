"""Draft a cohort table from a folder of scans, for the user to complete."""

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from lungsight.errors import UserError
from lungsight.intake.file_kinds import other_half
from lungsight.intake.file_names import (
    HEAD,
    PICTURE_ENDINGS,
    VOLUME_ENDINGS,
    guess_patient,
    is_leftover,
    is_named_mask,
    looks_like_dicom,
)
from lungsight.intake.masks import RTSTRUCT, SEGMENTATIONS
from lungsight.intake.slice_files import files_below
from lungsight.raw_table import is_formula

_TAGS = ["SOPClassUID", "Modality", "StudyInstanceUID", "SeriesInstanceUID"]


@dataclass
class Draft:
    """A drafted table.

    Attributes
    ----------
    rows : list of dict
        patient, path, label, mask; paths relative to the root.
    found : Counter
        How many of each format, of masks and of other things the folder holds.
    """

    rows: list[dict[str, str]] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)

    @property
    def formats(self) -> list[str]:
        """The cohort formats that the rows need, the most frequent first."""
        return [name for name, _ in self.found.most_common() if name in ("dicom", "nifti", "png")]


def _header(path: Path) -> pydicom.Dataset | None:
    """Read the tags of a DICOM file, also of one without preamble; None for any other and for a damaged file."""
    try:
        with open(path, "rb") as file:
            if not looks_like_dicom(file.read(HEAD)):
                return None
            file.seek(0)
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_TAGS, force=True)
        # Elements are converted when they are asked for: a damaged one fails here, not later.
        return dataset if any(str(dataset.get(tag) or "") for tag in _TAGS) else None
    except Exception:  # a damaged file fails in any of pydicom's many ways
        return None


@dataclass
class _Folder:
    """UIDs of the CT series and studies in one folder."""

    series: set[str] = field(default_factory=set)
    studies: set[str] = field(default_factory=set)


def draft_table(root: Path) -> Draft:
    """Propose a row for every DICOM series folder, NIfTI volume and picture below a folder.

    A folder with several series gets one row. An RTSTRUCT or SEG becomes the mask of the folder of its study. Volumes
    and pictures that are named like masks get no row, unless all are. Patients are guessed from folder names. Labels
    stay empty.

    Raises
    ------
    UserError
        If the folder does not exist or holds nothing to convert.
    """
    if not root.is_dir():
        raise UserError(f"the folder {root} does not exist.")
    draft = Draft()
    folders: dict[Path, _Folder] = {}
    masks: dict[str, Path] = {}
    files: list[Path] = []
    for path in files_below(root, root):
        name = path.name.lower()
        if is_leftover(path.relative_to(root)):
            draft.found["other files"] += 1
        elif name.endswith((*PICTURE_ENDINGS, *VOLUME_ENDINGS)) or other_half(path, ".hdr", ".img"):
            files.append(path)
        elif other_half(path, ".img", ".hdr"):
            continue
        elif (dataset := _header(path)) is None:
            draft.found["other files"] += 1
        elif str(dataset.get("SOPClassUID") or "") in (RTSTRUCT, *SEGMENTATIONS):
            masks.setdefault(str(dataset.get("StudyInstanceUID") or ""), path)
        elif str(dataset.get("Modality") or "CT") == "CT":
            folder = folders.setdefault(path.parent, _Folder())
            folder.series.add(str(dataset.get("SeriesInstanceUID") or ""))
            folder.studies.add(str(dataset.get("StudyInstanceUID") or ""))
        else:
            draft.found["other files"] += 1
    for path, folder in folders.items():
        mask = next((masks[study] for study in sorted(folder.studies) if study in masks), None)
        _add(draft, path, root, "dicom", mask)
        draft.found["folders with several series"] += len(folder.series) > 1
    scans = [path for path in files if not is_named_mask(path.relative_to(root))]
    if scans or draft.rows:
        draft.found["files named like masks"] = len(files) - len(scans)
        files = scans
    for path in files:
        _add(draft, path, root, "png" if path.name.lower().endswith(PICTURE_ENDINGS) else "nifti")
    if not draft.rows:
        raise UserError(f"no DICOM series, NIfTI volume or picture lies below {root}.")
    draft.rows.sort(key=lambda row: row["path"])
    draft.found["masks"] = sum(bool(row["mask"]) for row in draft.rows)
    return draft


def _add(draft: Draft, path: Path, root: Path, format: str, mask: Path | None = None) -> None:
    """Add the row of one scan to a draft and count it."""
    places = {"path": os.path.relpath(path, root), "mask": os.path.relpath(mask, root) if mask else ""}
    patient = guess_patient(path, root, format)
    # The user fills the table in with a spreadsheet, which would run names of folders as formulas.
    row = {"patient": f"'{patient}" if is_formula(patient) else patient, "label": ""}
    draft.rows.append(row | {name: f"./{place}" if is_formula(place) else place for name, place in places.items()})
    draft.found[format] += 1
