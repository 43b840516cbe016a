"""COVID-CT (UCSD; Yang, He et al. 2020): pictures out of papers in two folders, with patients and official lists.

The repository holds `Images-processed/CT_COVID` and `CT_NonCOVID`, as archives or unpacked, two tables of metadata and
`Data-split`. A copy of its pictures lies in another public repository, in folders `COVID` and `NonCOVID` together with
those of other data sets; there the metadata tell which they are.

A third of the files of Covid-19 are named without their ending in the metadata, and some lists name a `.png` as
`.jpeg`. A name that is no file's is therefore looked for without its ending.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from lungsight.errors import UserError
from lungsight.intake.layouts.base import Labels, Layout, LayoutRow, class_of
from lungsight.intake.layouts.folders import (
    PICTURES,
    ancestors,
    content_of,
    find_base,
    incomplete,
    pictures_of,
    refusal,
)
from lungsight.intake.layouts.metadata import patients_of_files, read_metadata
from lungsight.raw_table import decode_text

_NAME = "ucsd-covid-ct"
_CLASSES = ("COVID", "NonCOVID")  # as files and folders of the data set write them
_KIND = {"COVID": "covid", "NonCOVID": "negative"}
_SHARED = "master-data"  # folder of the copy, which holds other data sets as well
_METADATA_IN = ("", "Meta")  # beside the pictures, or in a folder above them
_FILE_COLUMNS = ("file name", "image name")
_SUBSETS = ("train", "val", "test")
# Both figures of one paper on Covid-19, in each class: kjr-21-e24-p5-29 and -31 of COVID.
_COVID_IN_OTHER_CLASS = {"71%0.jpg", "71%1.jpg"}
# Figures of which the metadata's own captions say that they show no Covid-19: the controls of one paper (bacterial
# pneumonia, a tumour, tuberculosis, bronchiectasis, a healthy lung), and a mycosis in 2017.
_OTHER_DISEASE = {
    *(f"2020.02.25.20021568-p24-111%{number}" for number in range(5, 10)),
    *(
        f"Talaromyces-marneffei-infection-relapse-presenting-as-ost_2020_International-p1-12%{number}"
        for number in range(4)
    ),
}


def ucsd_covid_ct(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of COVID-CT: those of the files in both folders, then those of files that only its metadata name.

    Its class "COVID" is the first class of `labels`. The source is the kind of place that a picture was taken from.
    Each of these holds one class alone. Patients are those of the metadata; no id is in both tables.
    """
    base = _base_of(root)
    rows, wrong = [], []
    for name in _CLASSES:
        try:
            rows += _rows_of_class(root, base, name, class_of(_KIND[name], labels))
        except UserError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise refusal(wrong, _NAME, root)
    return rows


def _base_of(root: Path) -> Path:
    return find_base(root, _is_base, _NAME, "folders CT_COVID and CT_NonCOVID", "pictures", nearest=True, depth=3)


def _folder_of(base: Path, name: str) -> Path:
    return base / (name if base.name == _SHARED else f"CT_{name}")


def _is_base(folder: Path) -> bool:
    """Tell whether a folder holds those of both classes, or the archives of them."""
    places = [_folder_of(folder, name) for name in _CLASSES]
    return all(place.is_dir() or place.with_suffix(".zip").is_file() for place in places)


def _rows_of_class(root: Path, base: Path, name: str, label: str) -> list[LayoutRow]:
    folder = _folder_of(base, name)
    if not folder.is_dir():
        raise UserError(f"{folder.name}.zip is not unpacked: cd {base} && unzip {folder.name}.zip")
    if (folder / folder.name).is_dir():  # as some programs unpack an archive
        folder = folder / folder.name
    patients = _patients(root, base, name)
    files = pictures_of(folder)
    patient_of, absent = _matched(patients, files)
    if problem := incomplete(folder.name, absent, len(patients), "that its metadata name"):
        raise UserError(problem)
    shown = [file for file in files if file in patient_of] if base.name == _SHARED else files
    if not shown:
        raise UserError(f"{folder.name} holds no picture; it holds {content_of(folder)}.")
    place = folder.relative_to(root).as_posix()
    misplaced = _COVID_IN_OTHER_CLASS if name == "NonCOVID" else set()
    skip = {
        file: "other_class" if file in misplaced else "" if patient_of.get(file) else "no_metadata" for file in shown
    }
    rows = [_row(place, file, label, patient_of.get(file, ""), skip[file]) for file in shown]
    return rows + [_row(place, file, label, patients[file], "no_file") for file in sorted(absent)]


def _patients(root: Path, base: Path, name: str) -> dict[str, str]:
    """Read file → patient of a class from the first table of its metadata, from the pictures upwards."""
    names = [f"{name}-CT-MetaInfo{ending}" for ending in (".xlsx", ".csv")]
    places = [place / inner / file for place in ancestors(base, root) for inner in _METADATA_IN for file in names]
    metadata = next((place for place in places if place.is_file()), None)
    if metadata is None:
        raise UserError(f"{names[0]} (or .csv) is missing; it belongs into {root}.")
    return patients_of_files(read_metadata(metadata), metadata.name, _FILE_COLUMNS)


def _stem(file: str) -> str:
    """Cut the ending of a picture from its name; names of this data set hold dots elsewhere."""
    return file[: -len(ending)] if (ending := next((e for e in PICTURES if file.lower().endswith(e)), "")) else file


def _by_stem(files: Iterable[str]) -> dict[str, str]:
    """Name without ending → file, of those that no other file shares it with."""
    stems: dict[str, list[str]] = {}
    for file in files:
        stems.setdefault(_stem(file), []).append(file)
    return {stem: names[0] for stem, names in stems.items() if len(names) == 1}


def _matched(patients: Mapping[str, str], files: list[str]) -> tuple[dict[str, str], set[str]]:
    """Find the files that the metadata name: file → patient, and the names that are no file's."""
    there, by_stem = set(files), _by_stem(files)
    patient_of = {file: patient for file, patient in patients.items() if file in there}
    absent = set()
    for name in patients.keys() - there:
        file = by_stem.get(_stem(name))
        if file is None or file in patient_of:
            absent.add(name)
        else:
            patient_of[file] = patients[name]
    return patient_of, absent


def _row(place: str, file: str, label: str, patient: str, skip: str) -> LayoutRow:
    note = "other_disease" if _stem(file) in _OTHER_DISEASE else ""
    return LayoutRow(patient, f"{place}/{file}", label, source=_source(file, patient), skip=skip, note=note)


def _source(file: str, patient: str) -> str:
    """Name the kind of place that a picture is from.

    Covid-19: a preprint (their files begin with the year) or a journal. Others: crawled from papers, or MedPix.
    """
    if patient.startswith(("crawled", "medpix")):
        return patient.split("_")[0]
    return "preprint" if file.startswith("2020.") else "journal"


# The official lists: Data-split/<class>/<subset>CT_<class>.txt, a file name on each line.


def with_official_split(root: Path, rows: list[LayoutRow]) -> list[LayoutRow]:
    """Set the column `split` from the official lists, "" where a file is in none of them.

    Raises
    ------
    UserError
        If a list is absent or empty, or a file is in two lists.
    """
    base = _base_of(root)
    wrong, subset_of = [], {}
    for name in _CLASSES:
        try:
            subset_of[_folder_of(base, name).name] = _official_subsets(root, base, name)
        except UserError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise refusal([*wrong, "official_split: false splits it by patient."], f"{_NAME} with its official lists", root)
    return [replace(row, split=_subset(subset_of, PurePosixPath(row.path))) for row in rows]


def _subset(subset_of: Mapping[str, Mapping[str, str]], path: PurePosixPath) -> str:
    listed = subset_of[path.parent.name]
    return listed.get(path.name) or listed.get(_stem(path.name), "")


def _official_subsets(root: Path, base: Path, name: str) -> dict[str, str]:
    """Read the three lists of a class: file, and its name without ending → subset."""
    lists = [f"Data-split/{name}/{subset}CT_{name}.txt" for subset in _SUBSETS]
    places = [place for place in ancestors(base, root) if (place / "Data-split" / name).is_dir()]
    absent = [file for file in lists if not places or not (places[0] / file).is_file()]
    if absent:
        raise UserError(f"{', '.join(absent)} {'is' if len(absent) == 1 else 'are'} missing; they belong into {root}.")
    subset_of: dict[str, str] = {}
    wrong = []
    for subset, file in zip(_SUBSETS, lists, strict=True):
        lines = decode_text((places[0] / file).read_bytes()).split("\n")
        listed = [PurePosixPath(line.strip().replace("\\", "/")).name for line in lines if line.strip()]
        if not listed:
            wrong.append(f"{file} is empty.")
        divided = [entry for entry in listed if subset_of.setdefault(entry, subset) != subset]
        wrong += [f"{entry} is in the lists of {subset_of[entry]} and of {subset}." for entry in divided]
    if wrong:
        raise UserError("\n".join(wrong))
    stems = _by_stem(subset_of)
    return {stem: subset_of[file] for stem, file in stems.items()} | subset_of


LAYOUT = Layout("png", ("public", "target", "external"), ucsd_covid_ct, with_official_split=with_official_split)
