"""COVID-CT-MD (Afshar et al. 2021): DICOM folders of patients in one folder for each of three classes."""

import re
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.layouts.base import Labels, Layout, LayoutRow, class_of
from lungsight.intake.layouts.folders import ancestors, content_of, entries_of, find_base, folders_of, refusal
from lungsight.raw_table import read_raw_table

_NAME = "covid-ct-md"
# Kind of a class → its folder, as `COVID-19 subjects`, `COVID-19 Cases` or `COVID-19`; and those of its patients.
_FOLDER = {
    kind: re.compile(rf"{name}([ _-]*(subjects|cases|patients))?", re.IGNORECASE)
    for kind, name in {"covid": r"covid-?(19)?", "cap": "cap", "negative": "normal"}.items()
}
_PATIENT = {
    kind: re.compile(rf"{word}\d+", re.IGNORECASE)
    for kind, word in (("covid", "p"), ("cap", "cap"), ("negative", "normal"))
}
_INDEX = "Index.csv"  # beside Slice_level_labels.npy: which patients have labels of their slices


def covid_ct_md(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of COVID-CT-MD: one for each patient's folder, in which intake finds the series.

    COVID-19 is the first class of `labels`. Community-acquired pneumonia (CAP) belongs to the class whose words include
    "cap", else it is skipped; its folder may be absent. Patients whose slices are labelled get a note.
    """
    base = find_base(root, _is_base, _NAME, "folders COVID-19 subjects and Normal subjects", "patients")
    labelled = _patients_with_labelled_slices(base, root)
    rows, wrong = [], []
    for kind, folders in _class_folders(base).items():
        if len(folders) > 1:
            wrong.append(f"{' and '.join(folder.name for folder in folders)} are one class; leave one of them.")
            continue
        try:
            rows += _rows_of_class(root, folders[0], kind, class_of(kind, labels), labelled)
        except UserError as error:
            wrong += str(error).splitlines()
    if wrong:
        raise refusal(wrong, _NAME, root)
    return rows


def _class_folders(base: Path) -> dict[str, list[Path]]:
    """Find the folders of the classes: kind of the class → folders of such a name."""
    folders = folders_of(base)
    named = {kind: [folder for folder in folders if name.fullmatch(folder.name)] for kind, name in _FOLDER.items()}
    return {kind: found for kind, found in named.items() if found}


def _is_base(folder: Path) -> bool:
    return {"covid", "negative"} <= _class_folders(folder).keys()


def _rows_of_class(root: Path, folder: Path, kind: str, label: str, labelled: set[str]) -> list[LayoutRow]:
    patients = folders_of(folder)
    if not patients:
        raise UserError(f"{folder.name} holds no folder of a patient; it holds {content_of(folder)}.")
    wrong = [
        f"{folder.name}/{patient.name} is not named as its patients are ({_example(kind)})."
        for patient in patients
        if not _PATIENT[kind].fullmatch(patient.name)
    ]
    wrong += [
        f"{folder.name}/{patient.name} is empty: an incomplete download?"
        for patient in patients
        if not entries_of(patient)
    ]
    if wrong:
        raise UserError("\n".join(wrong))
    return [
        LayoutRow(
            patient=patient.name,
            path=patient.relative_to(root).as_posix(),
            label=label,
            source=_NAME,
            skip="" if label else "cap",
            note="slice_labels" if patient.name.lower() in labelled else "",
        )
        for patient in patients
    ]


def _example(kind: str) -> str:
    return {"covid": "P001", "cap": "cap001", "negative": "normal001"}[kind]


def _patients_with_labelled_slices(base: Path, root: Path) -> set[str]:
    """Read which patients have labels of their slices, in small letters; none where the data set's index is absent."""
    index = next((path for place in ancestors(base, root) if (path := place / _INDEX).is_file()), None)
    if index is None:
        return set()
    fields = {field.lower() for record in read_raw_table(index).records for field in record}
    return {field for field in fields if any(name.fullmatch(field) for name in _PATIENT.values())}


LAYOUT = Layout("dicom", ("public", "target", "external"), covid_ct_md)
