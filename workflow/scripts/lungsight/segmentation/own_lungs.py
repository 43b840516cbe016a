"""Take the lung masks that the user brings, case by case. One that cannot be used costs its case the mask alone.

The scan is read a second time: only its headers tell whose it is and where it lies, and so whether a mask is its own.
"""

import traceback
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.cases import Intake, read_case, reads_scan
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.mask_plausibility import check_extent
from lungsight.intake.masks import read_mask
from lungsight.intake.picture_masks import read_picture_mask
from lungsight.intake.plausibility import Doubt, settle
from lungsight.intake.quiet import quiet
from lungsight.intake.volume import Volume, Window
from lungsight.parallel import in_processes
from lungsight.program import keep_private, log
from lungsight.segmentation.agreement import dice
from lungsight.segmentation.classical import lung_mask
from lungsight.segmentation.volumes import Image, read_image, write_mask

TAKEN, REFUSED = "taken", "refused"
ELSEWHERE = 0.1  # Dice with the classical mask below which a mask lies where no aerated lung is
DOUBTFUL = 0.5  # Dice below which somebody should look; consolidated lungs, which the method misses, get there too

Row = dict[str, Any]


def read_own_mask(row: TableRow, intake: Intake) -> tuple[np.ndarray, list[str]]:
    """Read the lung mask of a row onto the grid of its scan.

    Parameters
    ----------
    row : TableRow
        One that names `lungs`.
    intake : Intake
        How the cohort's scans are converted, and the names of regions.

    Returns
    -------
    mask : (i, j, k) uint8
        1 is lung.
    notes : list of str
        What looks odd about it.

    Raises
    ------
    BadCase
        If the mask is empty, does not fit the scan, is of another patient, or cannot be read.
    """
    volume = read_case(row, intake)
    volume.notes.clear()  # of the scan; cases.tsv has them
    mask = _mask_of(intake.root / row.lungs, volume, intake)
    if not mask.any():
        raise BadCase("the mask is empty")
    return mask, volume.notes


def _mask_of(path: Path, volume: Volume, intake: Intake) -> np.ndarray:
    if not path.exists():
        raise BadCase("the mask is not there any more")
    if intake.format == "png":
        return read_picture_mask(path, volume, "lung")
    settings = intake.settings
    window = Window(*settings["window"])
    names, tumour = settings["roi_names"], settings["tumour_in_lung"]
    return read_mask(path, volume, names, tumour, window, settings["plausibility"])


def compare_with_classical(mask: np.ndarray, image: Image) -> tuple[float, list[Doubt]]:
    """Compare a mask with the lungs that the classical method finds: it may be of another patient, or inverted.

    Parameters
    ----------
    mask : (i, j, k) array
        Not 0 is lung.
    image : Image
        Of the same shape.

    Returns
    -------
    agreement : float
        Dice; NaN where the method finds no lung.
    doubts : list of Doubt

    Raises
    ------
    BadCase
        Where the method finds no lung, and the mask marks more than half of the image.
    """
    classical = lung_mask(image.volume, image.spacing)
    if not classical.any():
        check_extent(mask > 0, "lung")
        words = "the classical method finds no lung in this scan, so nobody compared the mask with its pixels"
        return float("nan"), [Doubt(words, certain=False)]
    agreement = dice(classical, mask > 0)
    if agreement < ELSEWHERE:
        words = "the mask lies beside the lungs: is it of another patient or scan, or inverted?"
        return agreement, [Doubt(f"{words} Its Dice with the classical mask is {agreement:.2f}")]
    if agreement < DOUBTFUL:
        words = f"the Dice of the mask with the classical mask is {agreement:.2f}: look whether it is of this scan"
        return agreement, [Doubt(words, certain=False)]
    return agreement, []


@reads_scan("path", "lungs")
def take_case(row: TableRow, intake: Intake, nifti: Path, masks: Path) -> Row:
    """Write the mask of a row beside those of its shard, or say why not.

    Parameters
    ----------
    row : TableRow
    intake : Intake
    nifti, masks : Path
        Folders of the shard's converted images and of its taken masks.

    Returns
    -------
    dict
        A row of the table `taken_lungs`.
    """
    case = case_of(intake.key, intake.cohort, row.path)
    result: Row = {"case": case, "status": REFUSED, "classical_dice": float("nan")}
    try:
        mask, notes = read_own_mask(row, intake)
        image = read_image(nifti / f"{case}.nii.gz", case, intake.format != "png")
        if image.volume.shape != mask.shape:
            raise BadCase("the scan has changed since it was converted; run again")
        result["classical_dice"], doubts = compare_with_classical(mask, image)
        notes += settle(doubts, intake.settings["plausibility"])
    except BadCase as error:
        if private := getattr(error, "__notes__", []):
            keep_private(f"lungs-{intake.cohort}-row-{row.row}.txt", "\n".join(private))
        return result | {"reason": str(error)}
    except PermissionError:
        return result | {"reason": "a file may not be read: its owner has to allow it"}
    except Exception as error:
        keep_private(f"lungs-{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        return result | {"reason": f"could not be read ({type(error).__name__})"}
    write_mask(masks / f"{case}.nii.gz", mask, image.affine)
    return result | {"status": TAKEN, "reason": "; ".join(notes)}


def take_masks(rows: Sequence[TableRow], intake: Intake, nifti: Path, masks: Path, processes: int) -> Iterator[Row]:
    """Take the masks of rows, several at once, and yield a row of `taken_lungs` for each. The log names the refused."""
    take = partial(take_case, intake=intake, nifti=nifti, masks=masks)
    for row, taken in zip(rows, in_processes(take, rows, processes, prepare=quiet), strict=True):
        if taken["status"] == REFUSED:
            log(f"row {row.row}: its lung mask is refused: {taken['reason']}")
        yield taken
