"""MosMedData-1110 (Morozov et al. 2020): a NIfTI for each study, in five folders by severity, and 50 lesion masks."""

import re
from collections.abc import Mapping
from pathlib import Path

from lungsight.errors import UserError
from lungsight.intake.layouts.base import Labels, Layout, LayoutRow, class_of
from lungsight.intake.layouts.folders import (
    ancestors,
    content_of,
    entries_of,
    find_base,
    folders_of,
    incomplete,
    refusal,
)
from lungsight.intake.layouts.metadata import column_of, read_metadata

_NAME = "mosmed-1110"
_CATEGORY = re.compile(r"CT-([0-4])", re.IGNORECASE)
_STUDY = re.compile(r"(study_\d+)\.nii(\.gz)?", re.IGNORECASE)
_MASK = re.compile(r"(study_\d+)_mask\.nii(\.gz)?", re.IGNORECASE)
_REGISTRIES = ("dataset_registry.xlsx", "dataset_registry.csv")
_NIFTI = (".nii", ".nii.gz")


def mosmed_1110(root: Path, labels: Labels) -> list[LayoutRow]:
    """List the rows of MosMedData-1110: one for each study, then those of files that only its registry names.

    CT-1 to CT-4 (signs of viral pneumonia) are the first class of `labels`, CT-0 (none) is the other one. The source is
    the category. Every study is of a patient of its own. Where radiologists outlined lesions, that is the column
    `lesion`.
    """
    base = find_base(root, lambda folder: (folder / "studies").is_dir(), _NAME, "folder studies", "studies")
    wrong: list[str] = []
    studies: dict[str, tuple[str, str]] = {}
    for folder in folders_of(base / "studies"):
        try:
            found = _studies_of(folder)
        except UserError as error:
            wrong += str(error).splitlines()
            continue
        wrong += [f"{study} is in {studies[study][0]} and in {folder.name}." for study in found if study in studies]
        studies |= {study: (folder.name, file) for study, file in found.items()}
    if not studies and not wrong:
        wrong.append(f"studies holds no folder CT-0 … CT-4; it holds {content_of(base / 'studies')}.")
    masks: dict[str, str] = {}
    absent: dict[str, tuple[str, str]] = {}
    try:
        masks = _files(base / "masks", _MASK) if (base / "masks").is_dir() else {}
        absent = _absent(base, root, studies)
    except UserError as error:
        wrong += str(error).splitlines()
    if lost := sorted(masks.keys() - studies.keys()):
        wrong.append(f"masks holds {len(lost)} without its study ({', '.join(lost[:3])}): an incomplete download?")
    if wrong:
        raise refusal(wrong, _NAME, root)
    place = base.relative_to(root).as_posix()
    rows = [
        _row(place, labels, category, file, mask=masks.get(study, ""))
        for study, (category, file) in sorted(studies.items())
    ]
    return rows + [_row(place, labels, category, file, skip="no_file") for category, file in sorted(absent.values())]


def _studies_of(folder: Path) -> dict[str, str]:
    """Map the studies in the folder of a category to their files."""
    if not _CATEGORY.fullmatch(folder.name):
        raise UserError(f"studies/{folder.name} is none of CT-0 … CT-4.")
    found = _files(folder, _STUDY)
    if not found:
        raise UserError(f"studies/{folder.name} holds no study; it holds {content_of(folder)}.")
    return found


def _files(folder: Path, name: re.Pattern[str]) -> dict[str, str]:
    """Map studies to the NIfTI files in a folder. Raises UserError for names that are no study's, or one twice."""
    wrong, found = [], {}
    for file in (entry.name for entry in entries_of(folder) if entry.name.lower().endswith(_NIFTI)):
        match = name.fullmatch(file)
        if not match:
            wrong.append(f"{folder.name}/{file} is not named as the files of this data set are (study_0001…).")
        elif found.setdefault(match[1].lower(), file) != file:
            wrong.append(f"{folder.name} holds {match[1]} twice, as {found[match[1].lower()]} and as {file}.")
    if wrong:
        raise UserError("\n".join(wrong))
    return found


def _absent(base: Path, root: Path, studies: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Find the studies that only the registry names: study → category and file; without a registry none.

    Raises
    ------
    UserError
        If its column is missing, a study is in another category there, or too many are absent.
    """
    registry = next(
        (path for place in ancestors(base, root) for n in _REGISTRIES if (path := place / n).is_file()), None
    )
    if registry is None:
        return {}
    table = read_metadata(registry)
    column = column_of(table, ("study_file",), registry.name)
    named, wrong = {}, []
    for number, record in enumerate(table.records, start=1):
        parts = table.by_column(record)[column].replace("\\", "/").split("/")
        match = _STUDY.fullmatch(parts[-1])
        if len(parts) < 2 or not match or not _CATEGORY.fullmatch(parts[-2]):
            wrong.append(f"{registry.name}, row {number}: {column} is no path as studies/CT-0/study_0001.nii.gz.")
            continue
        study = match[1].lower()
        named[study] = (parts[-2], parts[-1])
        if study in studies and studies[study][0].lower() != parts[-2].lower():
            wrong.append(
                f"{registry.name}, row {number}: {study} is in {parts[-2]} there and in {studies[study][0]} here."
            )
    absent = {study: place for study, place in named.items() if study not in studies}
    wrong += filter(None, [incomplete("studies", absent, len(named), f"that {registry.name} names")])
    if wrong:
        raise UserError("\n".join(wrong))
    return absent


def _row(place: str, labels: Labels, category: str, file: str, mask: str = "", skip: str = "") -> LayoutRow:
    start = "" if place == "." else f"{place}/"
    return LayoutRow(
        patient=file.split(".")[0].lower(),
        path=f"{start}studies/{category}/{file}",
        label=class_of("negative" if category.endswith("0") else "covid", labels),
        source=category.upper(),
        lesion=f"{start}masks/{mask}" if mask else "",
        skip=skip,
    )


LAYOUT = Layout("nifti", ("public", "target", "external"), mosmed_1110)
