"""Measure the traces of every slice of a shard: a row of the table `forensics` each.

A picture is measured as it lies in its file, before it is resized: a change of size wipes out most traces. Slices of
series and volumes are measured as converted, since their files hold no picture. Where `intake.harmonise` changes
slices, all are measured as converted, to show what is left; traces of files are then empty, since no file reaches a
network.
"""

import traceback
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
from PIL import Image

from lungsight.intake.bucket import scans_at_hand
from lungsight.intake.forensics.pixels import Pixels
from lungsight.intake.forensics.stored import Stored, stored_picture, yes_no
from lungsight.intake.forensics.traces import Value, values_of_file, values_of_pixels
from lungsight.intake.image import to_grey
from lungsight.intake.slice_files import files_below
from lungsight.program import keep_private, log
from lungsight.rows import ConvertedCasesRow
from lungsight.tables import rows_of

SLICES_OF_SERIES = 4  # evenly spaced slices of a series whose pixels are measured: they have one making in common
HEADERS_OF_SERIES = 8  # evenly spaced files of a series whose headers are read

Row = dict[str, Value]


def measure_picture(path: Path) -> tuple[Stored, Pixels]:
    """Read a PNG or JPEG that intake has taken in: what its file says, and its pixels in grey."""
    with Image.open(path, formats=("PNG", "JPEG")) as image:
        image.load()
        return stored_picture(image, path), Pixels(to_grey(image))


def bits_of_series(path: Path, root: Path) -> int | None:
    """Read the bits that a series stores of a voxel (BitsStored); None where the files that are read differ."""
    found = set()
    files = files_below(path, root)
    for file in files[:: max(1, len(files) // HEADERS_OF_SERIES)]:
        try:
            dataset = pydicom.dcmread(file, specific_tags=["BitsStored"], stop_before_pixels=True, force=True)
        except Exception:  # what is no DICOM file says nothing of the series; intake has judged it
            continue
        found.add(dataset.get("BitsStored"))
    found.discard(None)
    return int(found.pop()) if len(found) == 1 else None


def stored_scan(format: str, path: Path, root: Path, case: ConvertedCasesRow) -> Stored:
    """Describe a series or a volume. `case` is its row of the table `converted_cases`."""
    rows, columns = (None if pd.isna(case[name]) else int(case[name]) for name in ("rows", "columns"))
    if format == "nifti":
        return Stored(format="nifti", rows=rows, columns=columns)
    return Stored(
        format="dicom",
        mode="grey",
        bits=bits_of_series(path, root),
        transfer_syntax=case["transfer_syntax"],
        lossy="" if pd.isna(case["lossy"]) else yes_no(case["lossy"]),
        rows=rows,
        columns=columns,
    )


def places_measured(slices: int) -> set[int]:
    """Choose the slices of a series whose pixels are measured: evenly spaced, none of them at an end."""
    if slices <= SLICES_OF_SERIES:
        return set(range(slices))
    return set(np.linspace(0, slices - 1, SLICES_OF_SERIES + 2)[1:-1].astype(int).tolist())


def measure_case(
    format: str,
    path: Path,
    root: Path,
    case: ConvertedCasesRow,
    slices: pd.DataFrame,
    cohort: Path,
    as_converted: bool = False,
) -> Iterator[Row]:
    """Measure a case that is ok.

    Parameters
    ----------
    format : {"dicom", "nifti", "png"}
        Of the cohort.
    path, root
        The case's file or folder, and the folder that links may not lead out of.
    case : dict
        Its row of the table `converted_cases`.
    slices : DataFrame
        Its rows of the table `converted_slices`.
    cohort : Path
        Folder in which the column `png` names the slices.
    as_converted : bool
        Measure the slices as converted, and no file.

    Yields
    ------
    dict
        A row of the table `forensics` for each slice. Traces of pixels are empty in slices that are not measured.
    """
    if format == "png" and not as_converted:
        stored, pixels = measure_picture(path)
        yield from (_row(name, stored, pixels) for name in slices["slice"])
        return
    stored = None if as_converted else stored_scan(format, path, root, case)
    measured = places_measured(len(slices))
    for place, (name, png) in enumerate(zip(slices["slice"], slices["png"], strict=True)):
        yield _row(name, stored, Pixels(np.asarray(Image.open(cohort / png))) if place in measured else None)


def _row(name: str, stored: Stored | None, pixels: Pixels | None) -> Row:
    return {"slice": name, **values_of_file(stored), **values_of_pixels(pixels)}


def measure_shard(
    format: str,
    paths: dict[str, str],
    root: str | Path,
    cases: pd.DataFrame,
    slices: pd.DataFrame,
    cohort: Path,
    as_converted: bool = False,
) -> list[Row]:
    """Measure the cases of a shard that are ok, in the order of its tables.

    A case that cannot be measured has rows that are empty, and a line in the log.

    Parameters
    ----------
    format, cohort, as_converted
        As for `measure_case`.
    paths : dict
        Pseudonym of a case → its file or folder, from the root on.
    root : str or Path
        Folder that links may not lead out of, or the address of one in a bucket.
    cases, slices : DataFrame
        The shard's tables `converted_cases` and `converted_slices`.
    """
    rows: list[Row] = []
    of_case = dict(iter(slices.groupby("case", sort=False)))
    for case in rows_of(cases[cases["status"] == "ok"], ConvertedCasesRow):
        name = case["case"]
        with scans_at_hand(root, [] if as_converted else [paths[name]]) as here:
            try:
                scan = here / paths[name]
                rows += list(measure_case(format, scan, here, case, of_case[name], cohort, as_converted))
            except Exception as error:
                keep_private(f"{cohort.name}-forensics-{name}.txt", traceback.format_exc())
                log(f"case {name}: its traces could not be measured ({type(error).__name__})")
                rows += [_row(slice_, None, None) for slice_ in of_case[name]["slice"]]
    return rows
