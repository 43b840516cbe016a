"""Public data sets as they are distributed → a cohort table, so that nobody has to write one.

Each layout reads names and the set's own tables, no image. Standard library only: it runs while the workflow is parsed.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from lungsight.errors import UserError
from lungsight.files import write_text
from lungsight.intake.raw_table import read_raw_table
from lungsight.privacy import make_private_folder

# What the columns `skip` and `note` of a table may say in public; any other word there says only that it is there.
SKIPPED = {
    "cap": "community-acquired pneumonia, which no class of labels names",
    "no_file": "in the data set's metadata, but there is no such file",
    "no_metadata": "not in the data set's metadata: its patient is unknown",
}
NOTES = {
    "mismatch": "known for a mismatch of image and contours",
    "no_tumour": "known to have no tumour contoured",
}
MOST_ABSENT = 0.05  # share of the files that metadata name; more absent ones are an incomplete download


@dataclass(frozen=True)
class LayoutRow:
    """A row of the table that a layout makes; `skip` and `note` are keys of SKIPPED and NOTES."""

    patient: str
    path: str
    label: str = ""
    source: str = ""
    mask: str = ""
    skip: str = ""
    note: str = ""


@dataclass(frozen=True)
class Layout:
    """How a data set is distributed. rows: (root, labels) → its rows, or UserError with all that is wrong."""

    format: str
    roles: tuple[str, ...]
    rows: Callable[[Path, dict[str, list[str]]], list[LayoutRow]]


def write_layout_table(table: Path, layout: str, root: Path, labels: dict[str, list[str]]) -> None:
    """Write the cohort table of a data set below `root`, unless it is there already; it names patients, so it is
    private.

    Raises UserError that lists all in which the tree is not that of the layout.
    """
    columns = [field.name for field in fields(LayoutRow)]
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, column) for column in columns] for row in LAYOUTS[layout].rows(root, labels))
    if not table.is_file() or table.read_text(encoding="utf-8") != text.getvalue():
        make_private_folder(table.parent)
        write_text(table, text.getvalue())


def _names(folder: Path) -> list[os.DirEntry]:
    """What lies in a folder, sorted by name, hidden entries and links that lead out of the folder left out."""
    inside = folder.resolve()
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not entry.name.startswith(".")]
    kept = [entry for entry in kept if not entry.is_symlink() or Path(os.path.realpath(entry)).is_relative_to(inside)]
    return sorted(kept, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _names(folder) if entry.is_dir()]


def _refuse(layout: str, root: Path, wrong: list[str]) -> None:
    """Raise UserError if anything is wrong with the tree, all of it listed."""
    if wrong:
        shown = [*wrong[:20], *([f"… and {len(wrong) - 20} more."] if len(wrong) > 20 else [])]
        raise UserError("\n".join([f"{root} is not laid out as {layout}:", *(f"  {line}" for line in shown)]))


def _what_lies_there(root: Path) -> str:
    names = [entry.name for entry in _names(root)]
    return f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "nothing"


# Curated Covid CT (Maftouni et al. 2021): PNG slices of seven sources in three folders, three tables beside them.

_CURATED = "curated-covid-ct"
_NON_COVID, _COVID, _CAP = "1NonCOVID", "2COVID", "3CAP"
_METADATA = {_NON_COVID: "meta_data_normal.csv", _COVID: "meta_data_covid.csv", _CAP: "meta_data_cap.csv"}
_PICTURES = (".png", ".jpg", ".jpeg")
_SOURCE = re.compile(r"(\d+_[^_]+)_")
_SERIES_ENDING = re.compile(r"_SR_\d+.*$", re.IGNORECASE)  # several series of one patient


def curated_covid_ct(root: Path, labels: dict[str, list[str]]) -> list[LayoutRow]:
    """Rows of Curated Covid CT: covid is the first class of `labels`, normal the second, CAP the one that names it.

    The source is the prefix of a file's name. Patients are those of the metadata, within their source.
    """
    places = [root / "curated_data" / "curated_data", root / "curated_data", root]
    base = next((place for place in places if any((place / name).is_dir() for name in _METADATA)), None)
    if base is None:
        looked_for = f"no folder {', '.join(_METADATA)} in it, in curated_data or in curated_data/curated_data"
        _refuse(_CURATED, root, [f"{looked_for}; it holds {_what_lies_there(root)}."])
    positive, negative = labels
    class_of = {_NON_COVID: negative, _COVID: positive, _CAP: _class_of_cap(labels)}
    rows, wrong = [], []
    for folder in _METADATA:
        if folder == _CAP and not (base / folder).is_dir():
            continue
        try:
            rows += _rows_of_class(root, base, folder, class_of[folder])
        except UserError as error:
            wrong += str(error).splitlines()
    _refuse(_CURATED, root, wrong)
    return rows


def _class_of_cap(labels: dict[str, list[str]]) -> str:
    return next((name for name, words in labels.items() if "cap" in {word.lower() for word in (name, *words)}), "")


def _rows_of_class(root: Path, base: Path, folder: str, label: str) -> list[LayoutRow]:
    """Rows of one folder's files, then of those that its metadata name and that are absent."""
    metadata = next((path for path in _ancestors(base, root, _METADATA[folder]) if path.is_file()), None)
    wrong = []
    if metadata is None:
        wrong.append(f"{_METADATA[folder]} is missing; it belongs into {root}.")
    if not (base / folder).is_dir():
        wrong.append(f"the folder {folder} is missing beside the others.")
    if wrong:
        raise UserError("\n".join(wrong))
    patients = _patients(metadata)
    files = [entry.name for entry in _names(base / folder) if entry.name.lower().endswith(_PICTURES)]
    if not files:
        raise UserError(f"{folder} holds no picture; it holds {_what_lies_there(base / folder)}.")
    absent = sorted(patients.keys() - set(files))
    if len(absent) > MOST_ABSENT * len(patients):
        raise UserError(
            f"{folder} lacks {len(absent)} of the {len(patients)} files that {metadata.name} names"
            f" ({', '.join(absent[:3])}, …): an incomplete download?"
        )
    place = (base / folder).relative_to(root).as_posix()
    left_out = "" if label else "cap"
    rows = [
        _row(name, place, label, patients.get(name, ""), left_out or ("" if name in patients else "no_metadata"))
        for name in files
    ]
    return rows + [_row(name, place, label, patients[name], left_out or "no_file") for name in absent]


def _ancestors(base: Path, root: Path, name: str) -> Iterator[Path]:
    """`name` in the folder of the classes and in every folder above it, up to the root."""
    for folder in (base, *base.parents):
        yield folder / name
        if folder == root:
            return


def _patients(metadata: Path) -> dict[str, str]:
    """File name → patient of one metadata table. Raises UserError if its columns are others or a name is there twice
    for two patients."""
    table = read_raw_table(metadata)
    missing = [column for column in ("file name", "patient id") if column not in table.header]
    if missing:
        raise UserError(
            f"{metadata.name}: the column {', '.join(missing)} is missing; it has {', '.join(table.header)}."
        )
    patients, wrong = {}, []
    for number, record in enumerate(table.records, start=1):
        given = table.given(record)
        patient = _SERIES_ENDING.sub("", given["patient id"])
        if patients.setdefault(given["file name"], patient) != patient:
            wrong.append(f"{metadata.name}, row {number}: {given['file name']} belongs to two patients.")
    if wrong:
        raise UserError("\n".join(wrong))
    return patients


def _row(name: str, place: str, label: str, patient: str, skip: str) -> LayoutRow:
    found = _SOURCE.match(name)
    source = found[1] if found else "other"
    return LayoutRow(
        patient=f"{source} {patient}" if patient else "",
        path=f"{place}/{name}",
        label=label,
        source=source,
        skip=skip,
    )


# NSCLC-Radiomics (Aerts et al. 2014): a folder per patient, in it CT, RTSTRUCT and SEG, told apart by their headers.

_NSCLC = "nsclc-radiomics"
_PATIENT = re.compile(r"LUNG1-\d{3}")
_MISMATCH = {"LUNG1-014", "LUNG1-021", "LUNG1-085", "LUNG1-095", "LUNG1-194"}
_NO_TUMOUR = {"LUNG1-128"}


def nsclc_radiomics(root: Path, labels: dict[str, list[str]]) -> list[LayoutRow]:
    """Rows of NSCLC-Radiomics: the patient's folder is both the path and the mask; intake finds what is in it."""
    places = [root, *_folders(root), *(inner for folder in _folders(root) for inner in _folders(folder))]
    found = [place for place in places if any(_PATIENT.fullmatch(folder.name) for folder in _folders(place))]
    if not found:
        lies = _what_lies_there(root)
        _refuse(_NSCLC, root, [f"no folder LUNG1-001 … in it or one or two folders deeper; it holds {lies}."])
    if len(found) > 1:
        named = " and in ".join(str(place.relative_to(root)) for place in found[:3])
        _refuse(_NSCLC, root, [f"patients lie in {named}; make one of them the root."])
    patients = [folder for folder in _folders(found[0]) if _PATIENT.fullmatch(folder.name)]
    empty = [folder for folder in patients if not _names(folder)]
    _refuse(_NSCLC, root, [f"{folder.name} is empty: an incomplete download?" for folder in empty])
    rows = []
    for folder in patients:
        note = "mismatch" if folder.name in _MISMATCH else "no_tumour" if folder.name in _NO_TUMOUR else ""
        path = folder.relative_to(root).as_posix()
        rows.append(LayoutRow(patient=folder.name, path=path, source=_NSCLC, mask=path, note=note))
    return rows


LAYOUTS = {
    _CURATED: Layout("png", ("public", "target", "external"), curated_covid_ct),
    _NSCLC: Layout("dicom", ("segmentation",), nsclc_radiomics),
}
