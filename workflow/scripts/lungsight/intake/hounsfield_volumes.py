"""Write scans as volumes in HU, on the grid of the windowed volume: what tools of others read."""

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from lungsight.errors import BadCase
from lungsight.intake.cases import Intake, read_case, reads_scan
from lungsight.intake.cohort_table import TableRow, case_of
from lungsight.intake.quiet import quiet
from lungsight.intake.volume import Volume, Window, write_nifti
from lungsight.parallel import in_processes
from lungsight.program import keep_private, log

WHOLE_RANGE = (-1024.0, 3071.0)  # HU of a CT with 12 bits. Padding below and metal above are clipped.


def hounsfield_of(volume: Volume) -> np.ndarray:
    """Decode a volume that was read with the window WHOLE_RANGE.

    Returns
    -------
    (i, j, k) int16
        HU, rounded to whole numbers.

    Raises
    ------
    BadCase
        If its values were no HU: a volume in [0, 1].
    """
    if volume.acquisition.hu_p50 is None:
        raise BadCase("its values are no HU")
    window = Window(*WHOLE_RANGE)
    return np.rint(window.low + volume.voxels * ((window.high - window.low) / window.max_code)).astype(np.int16)


@reads_scan("path")
def _write(row: TableRow, intake: Intake, folder: Path) -> str:
    """Write the volume of a row. Return why not; "" where it is written."""
    try:
        volume = read_case(row, intake)
        write_nifti(
            folder / f"{case_of(intake.key, intake.cohort, row.path)}.nii.gz", hounsfield_of(volume), volume.affine
        )
    except BadCase as error:
        return str(error)
    except Exception as error:
        keep_private(f"hounsfield-{intake.cohort}-row-{row.row}.txt", traceback.format_exc())
        return f"could not be read ({type(error).__name__})"
    return ""


def write_hounsfield_volumes(
    rows: Sequence[TableRow], intake: Intake, folder: Path, processes: int
) -> Iterator[TableRow]:
    """Write a volume in HU for every row, several at once, and yield the row. The log names rows that have none.

    Parameters
    ----------
    rows : sequence of TableRow
    intake : Intake
        Whatever its window is.
    folder : Path
        Each volume is called <case>.nii.gz.
    processes : int
    """
    # Intake has settled whether the values are plausible.
    settings = intake.settings | {"window": list(WHOLE_RANGE), "plausibility": "off"}
    write = partial(_write, intake=replace(intake, settings=settings), folder=folder)
    for row, problem in zip(rows, in_processes(write, rows, processes, prepare=quiet), strict=True):
        if problem:
            log(f"row {row.row}: no volume in HU: {problem}")
        yield row
