"""Make the cohort table of a public data set from the files as they are distributed.

A layout reads file names and the data set's own tables, no image. Standard library only: it runs while the workflow is
parsed.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.written_table import write_cohort_table
from lungsight.patient_ids import is_missing
from lungsight.raw_table import read_raw_table

# Words of the columns `skip` and `note` and the sentences that results print for them. Of any other word results only
# print that there is one, since it may name a person.
SKIPPED = {
    "cap": "community-acquired pneumonia, which no class of labels names",
    "no_file": "in the data set's metadata, but there is no such file",
    "no_metadata": "not in the data set's metadata: its patient is unknown",
}
NOTES = {
    "mismatch": "known for a mismatch of image and contours",
    "no_tumour": "known to have no tumour contoured",
}
MOST_ABSENT = 0.05  # share of the files that the metadata name; if more are absent, the download is incomplete


@dataclass(frozen=True)
class LayoutRow:
    """A row of the table that a layout makes. `skip` and `note` are keys of SKIPPED and NOTES, or ""."""

    patient: str
    path: str
    label: str = ""
    source: str = ""
    mask: str = ""
    skip: str = ""
    note: str = ""


@dataclass(frozen=True)
class Layout:
    """How a data set is distributed.

    Attributes
    ----------
    format : str
    roles : tuple of str
        Roles that a cohort of this layout may have.
    rows : callable
        (root, labels) → the rows of its table. Raises UserError with everything that is wrong.
    """

    format: str
    roles: tuple[str, ...]
    rows: Callable[[Path, dict[str, list[str]]], list[LayoutRow]]


def write_layout_table(table: Path, layout: str, root: Path, labels: dict[str, list[str]]) -> None:
    """Write the cohort table of a data set.

    Parameters
    ----------
    table : Path
        Where to write it.
    layout : str
        A key of LAYOUTS.
    root : Path
        Folder of the data set.
    labels : dict
        Class name → the user's words.

    Raises
    ------
    UserError
        With every difference between the files and the layout.
    """
    columns = [field.name for field in fields(LayoutRow)]
    rows = LAYOUTS[layout].rows(root, labels)
    write_cohort_table(table, columns, ([getattr(row, column) for column in columns] for row in rows), root)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """List a folder, sorted by name, without hidden entries and links that lead out of the folder."""
    inside = folder.resolve()
    with os.scandir(folder) as entries:
        kept = [entry for entry in entries if not entry.name.startswith(".")]
    kept = [entry for entry in kept if not entry.is_symlink() or Path(os.path.realpath(entry)).is_relative_to(inside)]
    return sorted(kept, key=lambda entry: entry.name)


def _folders(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in _entries(folder) if entry.is_dir()]


def _refusal(wrong: list[str], layout: str, root: Path) -> UserError:
    """Make the error that lists everything in which the files differ from the layout."""
    shown = [*wrong[:20], *([f"… and {len(wrong) - 20} more."] if len(wrong) > 20 else [])]
    return UserError("\n".join([f"{root} is not laid out as {layout}:", *(f"  {line}" for line in shown)]))


def _content_of(folder: Path) -> str:
    """Name the first entries of a folder, for a message."""
    names = [entry.name for entry in _entries(folder)]
    return f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}" if names else "nothing"


# Curated COVID CT (Maftouni et al. 2021): PNG slices from seven sources in three folders, with three tables.

_CURATED = "curated-covid-ct"
_NON_COVID, _COVID, _CAP = "1NonCOVID", "2COVID", "3CAP"
_METADATA = {_NON_COVID: "meta_data_normal.csv", _COVID: "meta_data_covid.csv", _CAP: "meta_data_cap.csv"}
_PICTURES = (".png", ".jpg", ".jpeg")
_SOURCE = re.compile(r"(\d+_[^_]+)_")
_SERIES_ENDING = re.compile(r"_SR_\d+.*$", re.IGNORECASE)  # several series of one patient


def curated_covid_ct(root: Path, labels: dict[str, list[str]]) -> list[LayoutRow]:
    """List the rows of Curated COVID CT.

    Its class "covid" is the first class of `labels`, "normal" the second of two. Community-acquired pneumonia (CAP)
    belongs to the class whose words include "cap", else it is skipped. Of more than two classes, "normal" is the one
    whose words include it, else the only one that is neither. A slice's source is the prefix of its file name. Patients
    are those of the metadata, counted separately in each source.
    """
    base = _base_of_curated(root)
    class_of = {_NON_COVID: _class_of_normal(root, labels), _COVID: next(iter(labels)), _CAP: _class_of_cap(labels)}
    rows, wrong = [], []
    for folder in _METADATA:
        if folder == _CAP and not (base / folder).is_dir():
            continue
        try:
            rows += _rows_of_class(root, base, folder, class_of[folder])
        except UserError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise _refusal(wrong, _CURATED, root)
    return rows


def _base_of_curated(root: Path) -> Path:
    """Find the folder that holds the folders of the classes; archives nest it once or twice."""
    for place in (root / "curated_data" / "curated_data", root / "curated_data", root):
        if any((place / name).is_dir() for name in _METADATA):
            return place
    looked_for = f"no folder {', '.join(_METADATA)} in it, in curated_data or in curated_data/curated_data"
    raise _refusal([f"{looked_for}; it holds {_content_of(root)}."], _CURATED, root)


def _class_of_cap(labels: dict[str, list[str]]) -> str:
    """Find the class whose words include "cap"; "" if there is none."""
    return _class_of_word("cap", labels)


def _class_of_normal(root: Path, labels: dict[str, list[str]]) -> str:
    """Find the class of the patients without pneumonia. Raises UserError where `labels` leave it open."""
    others = list(labels)[1:]
    if len(others) == 1:
        return others[0]
    named, rest = _class_of_word("normal", labels), [name for name in others if name != _class_of_cap(labels)]
    if not named and len(rest) != 1:
        raise _refusal(["no class of labels has the word normal, for the pictures of 1NonCOVID."], _CURATED, root)
    return named or rest[0]


def _class_of_word(wanted: str, labels: dict[str, list[str]]) -> str:
    """Find the class that has a word, in whatever case; "" if there is none."""
    return next((name for name, words in labels.items() if wanted in {word.lower() for word in (name, *words)}), "")


def _rows_of_class(root: Path, base: Path, folder: str, label: str) -> list[LayoutRow]:
    """List the rows of one class: those of its files, then those of files that only its metadata name.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    base : Path
        Folder that holds the folders of the classes.
    folder : str
        The class's folder.
    label : str
        Name of the class; "" if all its rows are skipped.
    """
    metadata = next((path for path in _ancestors(base, root, _METADATA[folder]) if path.is_file()), None)
    wrong = [] if metadata else [f"{_METADATA[folder]} is missing; it belongs into {root}."]
    if not (base / folder).is_dir():
        wrong.append(f"the folder {folder} is missing beside the others.")
    if metadata is None or wrong:
        raise UserError("\n".join(wrong))
    patients = _patients(metadata)
    files = [entry.name for entry in _entries(base / folder) if entry.name.lower().endswith(_PICTURES)]
    if not files:
        raise UserError(f"{folder} holds no picture; it holds {_content_of(base / folder)}.")
    absent = sorted(patients.keys() - set(files))
    if len(absent) > MOST_ABSENT * len(patients):
        raise UserError(
            f"{folder} lacks {len(absent)} of the {len(patients)} files that {metadata.name} names"
            f" ({', '.join(absent[:3])}, …): an incomplete download?"
        )
    place = (base / folder).relative_to(root).as_posix()
    left_out = "" if label else "cap"
    rows = [
        _row(name, place, label, patients.get(name, ""), left_out or ("" if patients.get(name) else "no_metadata"))
        for name in files
    ]
    return rows + [_row(name, place, label, patients[name], left_out or "no_file") for name in absent]


def _ancestors(base: Path, root: Path, name: str) -> Iterator[Path]:
    """Yield the path of a file called `name` in `base` and in every folder above it, up to the root."""
    for folder in (base, *base.parents):
        yield folder / name
        if folder == root:
            return


def _patients(metadata: Path) -> dict[str, str]:
    """Read one metadata table: file name → patient.

    Raises
    ------
    UserError
        If a column is missing or a file belongs to two patients.
    """
    table = read_raw_table(metadata)
    missing = [column for column in ("file name", "patient id") if column not in table.header]
    if missing:
        raise UserError(
            f"{metadata.name}: the column {', '.join(missing)} is missing; it has {', '.join(table.header)}."
        )
    patients, wrong = {}, []
    for number, record in enumerate(table.records, start=1):
        fields = table.by_column(record)
        patient = "" if is_missing(fields["patient id"]) else _SERIES_ENDING.sub("", fields["patient id"])
        if patients.setdefault(fields["file name"], patient) != patient:
            wrong.append(f"{metadata.name}, row {number}: {fields['file name']} belongs to two patients.")
    if wrong:
        raise UserError("\n".join(wrong))
    return patients


def _row(name: str, place: str, label: str, patient: str, skip: str) -> LayoutRow:
    prefix = _SOURCE.match(name)
    source = prefix[1] if prefix else "other"
    return LayoutRow(
        patient=f"{source} {patient}" if patient else "",
        path=f"{place}/{name}",
        label=label,
        source=source,
        skip=skip,
    )


# NSCLC-Radiomics (Aerts et al. 2014): a folder per patient with CT, RTSTRUCT and SEG, which their headers distinguish.

_NSCLC = "nsclc-radiomics"
_PATIENT = re.compile(r"LUNG1-\d{3}")
_MISMATCH = {"LUNG1-014", "LUNG1-021", "LUNG1-085", "LUNG1-095", "LUNG1-194"}
_NO_TUMOUR = {"LUNG1-128"}


def nsclc_radiomics(root: Path, labels: dict[str, list[str]]) -> list[LayoutRow]:
    """List the rows of NSCLC-Radiomics.

    A patient's folder is both the path and the mask: intake finds the CT and the contours in it.
    """
    places = [root, *_folders(root), *(inner for folder in _folders(root) for inner in _folders(folder))]
    bases = [place for place in places if any(_PATIENT.fullmatch(folder.name) for folder in _folders(place))]
    if not bases:
        content = _content_of(root)
        raise _refusal([f"no folder LUNG1-001 … in it or one or two folders deeper; it holds {content}."], _NSCLC, root)
    if len(bases) > 1:
        named = " and in ".join(str(place.relative_to(root)) for place in bases[:3])
        raise _refusal([f"patients lie in {named}; make one of them the root."], _NSCLC, root)
    patients = [folder for folder in _folders(bases[0]) if _PATIENT.fullmatch(folder.name)]
    if empty := [folder for folder in patients if not _entries(folder)]:
        raise _refusal([f"{folder.name} is empty: an incomplete download?" for folder in empty], _NSCLC, root)
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
