"""Read age band and sex from the header of a scan, for tables that do not give them."""

from pathlib import Path

import pydicom

from lungsight.intake.people import band_of_header, sex_of
from lungsight.intake.slice_files import files_below

MOST_FILES_TRIED = 20  # of a folder: what is no DICOM there comes first by chance


def person_of_scan(path: Path, root: Path) -> tuple[str, str]:
    """Give age band and sex by the first DICOM file of a scan; "" for what it does not say.

    Parameters
    ----------
    path : Path
        Folder or file of the scan.
    root : Path
        The cohort's folder.
    """
    for file in files_below(path, root)[:MOST_FILES_TRIED]:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["PatientAge", "PatientSex"])
            return band_of_header(str(header.get("PatientAge") or "")), sex_of(
                str(header.get("PatientSex") or "")
            ) or ""
        except Exception:  # a damaged header fails in any of pydicom's many ways; intake has said so
            continue
    return "", ""
