"""Curated COVID CT (Maftouni et al. 2021): PNG slices from seven sources in three folders, with three tables."""

import re
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.layouts.base import Labels, Layout, LayoutRow, class_of
from lungsight.intake.layouts.folders import ancestors, content_of, incomplete, pictures_of, refusal
from lungsight.intake.layouts.metadata import patients_of_files
from lungsight.raw_table import read_raw_table

_CURATED = "curated-covid-ct"
_NON_COVID, _COVID, _CAP = "1NonCOVID", "2COVID", "3CAP"
_KIND = {_NON_COVID: "negative", _COVID: "covid", _CAP: "cap"}
_METADATA = {_NON_COVID: "meta_data_normal.csv", _COVID: "meta_data_covid.csv", _CAP: "meta_data_cap.csv"}
_SOURCE = re.compile(r"(\d+_[^_]+)_")
_SERIES_ENDING = re.compile(r"_SR_\d+.*$", re.IGNORECASE)  # several series of one patient


def curated_covid_ct(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of Curated COVID CT.

    Its class "covid" is the first class of `labels`, "normal" the second. Community-acquired pneumonia (CAP) belongs to
    the class whose words include "cap", else it is skipped. A slice's source is the prefix of its file name. Patients
    are those of the metadata, counted separately in each source.
    """
    base = _base_of_curated(root)
    rows, wrong = [], []
    for folder in _METADATA:
        if folder == _CAP and not (base / folder).is_dir():
            continue
        try:
            rows += _rows_of_class(root, base, folder, class_of(_KIND[folder], labels))
        except UserError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise refusal(wrong, _CURATED, root)
    return rows


def _base_of_curated(root: Path) -> Path:
    """Find the folder that holds the folders of the classes; archives nest it once or twice."""
    for place in (root / "curated_data" / "curated_data", root / "curated_data", root):
        if any((place / name).is_dir() for name in _METADATA):
            return place
    looked_for = f"no folder {', '.join(_METADATA)} in it, in curated_data or in curated_data/curated_data"
    raise refusal([f"{looked_for}; it holds {content_of(root)}."], _CURATED, root)


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
    metadata = next((path for place in ancestors(base, root) if (path := place / _METADATA[folder]).is_file()), None)
    wrong = [] if metadata else [f"{_METADATA[folder]} is missing; it belongs into {root}."]
    if not (base / folder).is_dir():
        wrong.append(f"the folder {folder} is missing beside the others.")
    if metadata is None or wrong:
        raise UserError("\n".join(wrong))
    patients = patients_of_files(read_raw_table(metadata), metadata.name, ("file name",), _SERIES_ENDING)
    files = pictures_of(base / folder)
    if not files:
        raise UserError(f"{folder} holds no picture; it holds {content_of(base / folder)}.")
    absent = sorted(patients.keys() - set(files))
    if problem := incomplete(folder, absent, len(patients), f"that {metadata.name} names"):
        raise UserError(problem)
    place = (base / folder).relative_to(root).as_posix()
    left_out = "" if label else "cap"
    rows = [
        _row(name, place, label, patients.get(name, ""), left_out or ("" if patients.get(name) else "no_metadata"))
        for name in files
    ]
    return rows + [_row(name, place, label, patients[name], left_out or "no_file") for name in absent]


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


LAYOUT = Layout("png", ("public", "target", "external"), curated_covid_ct)
