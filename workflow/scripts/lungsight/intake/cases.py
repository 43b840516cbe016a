"""One shard of a cohort, case by case: a bad case gets its row and the cohort goes on."""

import logging
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pydicom

from lungsight.errors import BadCase, UserError
from lungsight.intake.cohort_table import LESION_LEFT_OUT, TableRow, case_of
from lungsight.intake.dicom import read_dicom
from lungsight.intake.image import read_image
from lungsight.intake.lesions import read_lesion
from lungsight.intake.masks import read_mask
from lungsight.intake.nifti import read_nifti
from lungsight.intake.perceptual_hash import perceptual_hash
from lungsight.intake.series import SeriesRule
from lungsight.intake.volume import (
    AcquisitionMetadata,
    Volume,
    Window,
    sha256_of_image,
    slope_of,
    write_nifti,
    write_png,
)
from lungsight.parallel import WorkerKilled, in_processes
from lungsight.program import keep_private, log, progress

KINDS = {"dicom": "series", "nifti": "volume", "png": "image"}


@dataclass(frozen=True)
class Intake:
    """How a cohort is taken in. settings: the config's `intake`; key: of the pseudonyms."""

    cohort: str
    format: str
    root: Path
    min_slices: int
    settings: dict
    key: bytes


@dataclass(frozen=True)
class Folders:
    """Where a shard's images go: volumes, and 8-bit slices and lesion masks, or lung masks, where a cohort has them."""

    nifti: Path
    png: Path | None = None
    truth: Path | None = None
    lesions: Path | None = None

    def make(self) -> None:
        """Make the folders, so that a shard without a usable case has them too."""
        for folder in filter(None, (self.nifti, self.png, self.truth, self.lesions)):
            folder.mkdir(parents=True, exist_ok=True)


def quiet() -> None:
    """Silence what readers say about odd files: their warnings quote values, names and dates among them."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


def read_case(row: TableRow, intake: Intake) -> Volume:
    """The windowed volume of a row's scan. Raises BadCase with the reason why there is none."""
    path = intake.root / row.path
    window = Window(*intake.settings["window"])
    if intake.format == "dicom":
        burned_in = intake.settings["burned_in"] == "allow"
        series = intake.settings["series"]
        rule = SeriesRule(series["contrast"], tuple(series["kernels"]), series["prefer"])
        return read_dicom(path, intake.root, window, intake.min_slices, burned_in, rule)
    if not path.is_file():
        raise BadCase(f"the path is a folder; a cohort of format {intake.format} has one file a row")
    if intake.format == "nifti":
        return read_nifti(path, window, intake.min_slices, intake.settings["nifti_values"])
    return read_image(path, intake.settings["png_size"])


def lesion_of(row: TableRow, volume: Volume, intake: Intake) -> np.ndarray | None:
    """The case's lesion mask, None where none is given.

    It is an instrument of the audit alone: one that cannot be used is left out, which is noted, and the scan stays.
    """
    if not row.lesion:
        return None
    try:
        return read_lesion(intake.root / row.lesion, volume, intake.format)
    except BadCase as error:
        volume.notes.append(f"{LESION_LEFT_OUT}: {error}")
    except Exception as error:
        keep_private(f"{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        volume.notes.append(f"{LESION_LEFT_OUT}: it could not be read ({type(error).__name__})")
    return None


def convert_case(row: TableRow, intake: Intake, folders: Folders) -> tuple[dict, list[dict]]:
    """Convert one case and write its files. Returns its row of `converted_cases` and its rows of `converted_slices`.

    Whatever goes wrong with this case becomes its reason; an unforeseen error leaves its traceback in the private
    folder.
    """
    case = case_of(intake.key, intake.cohort, row.path)
    result = {"case": case, "kind": KINDS[intake.format], "n_slices": 0, "status": "rejected"}
    if row.skip:
        return result | {"status": "skipped", "reason": row.skip, **asdict(AcquisitionMetadata())}, []
    try:
        volume = read_case(row, intake)
        masks = {}
        if folders.lesions is not None:
            masks[folders.lesions] = lesion_of(row, volume, intake)
        if folders.truth is not None:
            roi_names, tumour_in_lung = intake.settings["roi_names"], intake.settings["tumour_in_lung"]
            masks[folders.truth] = read_mask(intake.root / row.mask, volume, roi_names, tumour_in_lung)
    except BadCase as error:
        return result | {"reason": str(error), **asdict(AcquisitionMetadata())}, []
    except Exception as error:
        keep_private(f"{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        return result | {"reason": f"could not be read ({type(error).__name__})", **asdict(AcquisitionMetadata())}, []
    slices = write_case(case, volume, masks, folders)
    reason = "; ".join(filter(None, [row.note, *volume.notes]))
    return result | {"n_slices": len(slices), "status": "ok", "reason": reason, **asdict(volume.facts)}, slices


def write_case(case: str, volume: Volume, masks: dict[Path, np.ndarray | None], folders: Folders) -> list[dict]:
    """Write the volume and its slices into the shard's folders, and each mask into its own where there is one.

    Returns rows of `converted_slices`.
    """
    write_nifti(folders.nifti / f"{case}.nii.gz", volume.codes, volume.affine, slope_of(volume.full))
    for folder, mask in masks.items():
        if mask is not None:
            write_nifti(folder / f"{case}.nii.gz", mask, volume.affine)
    rows = []
    for z_index, image in enumerate(volume.images()):
        name = f"{case}-{z_index:04d}"
        png = ""
        if folders.png is not None:
            png = f"png/{folders.png.name}/{name}.png"
            write_png(folders.png / f"{name}.png", image)
        blank = int(image.min() == image.max())
        facts = {"sha256": sha256_of_image(image), "perceptual_hash": perceptual_hash(image), "blank": blank}
        rows.append({"slice": name, "case": case, "z_index": z_index, "png": png, **facts})
    return rows


def convert_shard(
    rows: Sequence[TableRow], intake: Intake, folders: Folders, threads: int = 1
) -> tuple[list[dict], list[dict]]:
    """Convert the cases of a shard, in table order; `threads` cases are in memory at a time.

    Returns rows of `converted_cases` and of `converted_slices`. The log names what was refused, by row of the table.
    """
    folders.make()
    cases, slices = [], []
    convert = partial(convert_case, intake=intake, folders=folders)
    results = progress(in_processes(convert, rows, threads, prepare=quiet), "cases", total=len(rows))
    try:
        for row, (case, its_slices) in zip(rows, results, strict=True):
            if case["status"] != "ok" or LESION_LEFT_OUT in case["reason"]:
                log(f"row {row.row} {case['status']}: {case['reason']}")
            cases.append(case)
            slices += its_slices
    except WorkerKilled as error:
        raise UserError(
            f"{error} A damaged file can do it too, where it ends its decoder: look at row {rows[len(cases)].row} of"
            " the table and those of this shard behind it. The column skip leaves a row out."
        ) from error
    return cases, slices
