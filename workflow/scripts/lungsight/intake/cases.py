"""Convert one shard of a cohort, case by case. A bad case gets its row with the reason, and the cohort goes on."""

import os
import traceback
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

from lungsight.errors import BadCase, UserError
from lungsight.intake.bucket import is_bucket, scans_at_hand
from lungsight.intake.cohort_table import LESION_LEFT_OUT, TableRow, case_of
from lungsight.intake.dicom import read_dicom
from lungsight.intake.forensics.washing import washed
from lungsight.intake.harmonise import washings_chosen
from lungsight.intake.image import read_image
from lungsight.intake.lesions import read_lesion
from lungsight.intake.masks import read_mask
from lungsight.intake.nifti import read_nifti
from lungsight.intake.perceptual_hash import perceptual_hash
from lungsight.intake.plausibility import settle
from lungsight.intake.quiet import quiet
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

NOWHERE = os.devnull  # no scan lies below it
KINDS = {"dicom": "series", "nifti": "volume", "png": "image"}  # format of a cohort → column `kind` of its cases

Row = dict[str, Any]
OfScan = TypeVar("OfScan", bound=Callable[..., Any])


@dataclass(frozen=True)
class Intake:
    """How to convert the scans of a cohort.

    Attributes
    ----------
    cohort : str
        Its name in the config.
    format : {"dicom", "nifti", "png"}
    root : Path
        The folder that its table's paths start from. Where they lie in a bucket, only functions that are marked
        `reads_scan` get one.
    min_slices : int
        Series and volumes with fewer slices are refused.
    settings : dict
        The config's `intake`; `harmonise` only where 8-bit slices are written.
    key : bytes
        Of the pseudonyms.
    bucket : str
        Address of the folder in a bucket that the paths start from; "" where they start from the root.
    """

    cohort: str
    format: str
    root: Path
    min_slices: int
    settings: dict[str, Any]
    key: bytes
    bucket: str = ""

    @classmethod
    def of(cls, cohort: str, root: str, settings: dict[str, Any], key: bytes) -> "Intake":
        """Read the argument `--settings` of a program. root: a folder, or the address of one in a bucket."""
        how = settings["min_slices"], settings["intake"], key
        if is_bucket(root):
            return cls(cohort, settings["format"], Path(NOWHERE), *how, bucket=root)
        return cls(cohort, settings["format"], Path(root), *how)


def reads_scan(*columns: str) -> Callable[[OfScan], OfScan]:
    """Mark a function of a row and an intake: it finds what these columns of the row name below the intake's root."""

    def marked(function: OfScan) -> OfScan:
        @wraps(function)
        def with_scan(row: TableRow, intake: Intake, *args: Any, **kwargs: Any) -> Any:
            if row.skip or not intake.bucket:
                return function(row, intake, *args, **kwargs)
            with scans_at_hand(intake.bucket, [getattr(row, column) for column in columns]) as root:
                return function(row, replace(intake, root=root, bucket=""), *args, **kwargs)

        return cast(OfScan, with_scan)

    return marked


@dataclass(frozen=True)
class Folders:
    """Where a shard's images go; None for what the cohort does not have.

    Attributes
    ----------
    nifti : Path
        Volumes.
    png : Path
        8-bit slices of a labelled cohort.
    truth : Path
        Lung masks of a segmentation cohort.
    lesions : Path
        Lesion masks of a labelled cohort.
    """

    nifti: Path
    png: Path | None = None
    truth: Path | None = None
    lesions: Path | None = None

    def make(self) -> None:
        """Make all folders, so that a shard without a usable case has them as well."""
        for folder in filter(None, (self.nifti, self.png, self.truth, self.lesions)):
            folder.mkdir(parents=True, exist_ok=True)


def read_case(row: TableRow, intake: Intake) -> Volume:
    """Read the scan of a row as a windowed volume, and settle whether its values are plausible.

    Raises
    ------
    BadCase
        With the reason why it cannot be converted.
    """
    volume = _read_scan(row, intake)
    volume.notes += settle(volume.doubts, intake.settings["plausibility"])
    return volume


def series_rule_of(intake: Intake) -> SeriesRule:
    """Return how one of several series is chosen."""
    series = intake.settings["series"]
    return SeriesRule(series["contrast"], tuple(series["kernels"]), series["prefer"])


def _read_scan(row: TableRow, intake: Intake) -> Volume:
    path = intake.root / row.path
    window = Window(*intake.settings["window"])
    if intake.format == "dicom":
        burned_in = intake.settings["burned_in"] == "allow"
        return read_dicom(path, intake.root, window, intake.min_slices, burned_in, series_rule_of(intake))
    if not path.exists():
        raise BadCase("the file is not there any more")
    if not path.is_file():
        raise BadCase(f"the path is a folder; a cohort of format {intake.format} has one file a row")
    if intake.format == "nifti":
        return read_nifti(path, window, intake.min_slices, intake.settings["nifti_values"])
    return read_image(path, intake.settings["png_size"])


def lung_of(row: TableRow, volume: Volume, intake: Intake) -> np.ndarray:
    """Read the lung mask of a case, as `read_mask` does."""
    settings = intake.settings
    window = Window(*settings["window"])
    names, tumour = settings["roi_names"], settings["tumour_in_lung"]
    return read_mask(intake.root / row.mask, volume, names, tumour, window, settings["plausibility"])


def lesion_of(row: TableRow, volume: Volume, intake: Intake) -> np.ndarray | None:
    """Read the lesion mask of a case; None if the table names none.

    Only the audit uses lesion masks. So a mask that cannot be used is left out with a note, and the scan stays.
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


@reads_scan("path", "mask", "lesion")
def convert_case(row: TableRow, intake: Intake, folders: Folders) -> tuple[Row, list[Row]]:
    """Convert one case and write its files.

    Whatever is wrong with the case becomes its reason. An unforeseen error leaves its traceback in the private folder.

    Returns
    -------
    case : dict
        Its row of the table `converted_cases`.
    slices : list of dict
        Its rows of the table `converted_slices`.
    """
    case = case_of(intake.key, intake.cohort, row.path)
    result: Row = {"case": case, "kind": KINDS[intake.format], "n_slices": 0, "status": "rejected"}
    if row.skip:
        return result | {"status": "skipped", "reason": row.skip, **asdict(AcquisitionMetadata())}, []
    try:
        volume = read_case(row, intake)
        masks = {}
        if folders.lesions is not None:
            masks[folders.lesions] = lesion_of(row, volume, intake)
        if folders.truth is not None:
            masks[folders.truth] = lung_of(row, volume, intake)
    except BadCase as error:
        if notes := getattr(error, "__notes__", []):
            keep_private(f"{intake.cohort}-row-{row.row}.txt", "\n".join(notes))
        return result | {"reason": str(error), **asdict(AcquisitionMetadata())}, []
    except PermissionError:
        reason = "a file may not be read: its owner has to allow it"
        return result | {"reason": reason, **asdict(AcquisitionMetadata())}, []
    except Exception as error:
        keep_private(f"{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        return result | {"reason": f"could not be read ({type(error).__name__})", **asdict(AcquisitionMetadata())}, []
    harmonise = washings_chosen(intake.settings["harmonise"]) if folders.png is not None else []
    slices = write_case(case, volume, masks, folders, harmonise)
    reason = "; ".join(filter(None, [row.note, *volume.notes]))
    return result | {"n_slices": len(slices), "status": "ok", "reason": reason, **asdict(volume.acquisition)}, slices


def write_case(
    case: str,
    volume: Volume,
    masks: dict[Path, np.ndarray | None],
    folders: Folders,
    harmonise: Collection[str] = (),
) -> list[Row]:
    """Write a case's volume, its 8-bit slices and its masks.

    The volume stays as it is, since masks are made of it. Near duplicates are those of the slices as they came.

    Parameters
    ----------
    case : str
        Pseudonym.
    volume : Volume
    masks : dict
        Folder → the mask that goes there, or None.
    folders : Folders
    harmonise : collection of str
        Washings of the 8-bit slices.

    Returns
    -------
    list of dict
        Rows of the table `converted_slices`, from the feet up.
    """
    write_nifti(folders.nifti / f"{case}.nii.gz", volume.voxels, volume.affine, slope_of(volume.max_code))
    for folder, mask in masks.items():
        if mask is not None:
            write_nifti(folder / f"{case}.nii.gz", mask, volume.affine)
    rows = []
    for z_index, image in enumerate(volume.images()):
        name = f"{case}-{z_index:04d}"
        png, shown = "", image
        if folders.png is not None:
            png, shown = f"png/{folders.png.name}/{name}.png", washed(image, harmonise)
            write_png(folders.png / f"{name}.png", shown)
        rows.append(
            {
                **{"slice": name, "case": case, "z_index": z_index, "png": png},
                **{"sha256": sha256_of_image(shown), "perceptual_hash": perceptual_hash(image)},
                "blank": int(image.min() == image.max()),
            }
        )
    return rows


def convert_shard(
    rows: Sequence[TableRow], intake: Intake, folders: Folders, threads: int = 1
) -> tuple[list[Row], list[Row]]:
    """Convert the cases of a shard in table order. The log names what is refused, by row of the table.

    Parameters
    ----------
    rows : sequence of TableRow
    intake : Intake
    folders : Folders
    threads : int
        Processes; so many cases are in memory at a time. The files do not depend on it.

    Returns
    -------
    cases, slices : list of dict
        Rows of the tables `converted_cases` and `converted_slices`.

    Raises
    ------
    UserError
        If a process is killed, with the row from which to look for the file that did it.
    """
    folders.make()
    cases: list[Row] = []
    slices: list[Row] = []
    convert = partial(convert_case, intake=intake, folders=folders)
    results = progress(in_processes(convert, rows, threads, prepare=quiet), "cases", total=len(rows))
    try:
        for row, (case, slices_of_case) in zip(rows, results, strict=True):
            if case["status"] != "ok" or LESION_LEFT_OUT in case["reason"]:
                log(f"row {row.row} {case['status']}: {case['reason']}")
            cases.append(case)
            slices += slices_of_case
    except WorkerKilled as error:
        raise UserError(
            f"{error} A damaged file can cause this too, if it ends its decoder: look at row {rows[len(cases)].row} of"
            " the table and at the rows of this shard after it. The column skip leaves a row out."
        ) from error
    return cases, slices
