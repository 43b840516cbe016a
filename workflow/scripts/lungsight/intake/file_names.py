"""Tell formats and patients by the names of files and folders alone.

Standard library only: `lungsight.predict` reads this while the workflow is parsed.
"""

from pathlib import Path

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
VOLUME_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")


def guess_patient(path: Path, root: Path, format: str) -> str:
    """Guess the patient of a scan from the folder that it lies in.

    Parameters
    ----------
    path : Path
        A DICOM series folder, or the file of a volume or a picture.
    root : Path
        The cohort's folder, above `path`.
    format : {"dicom", "nifti", "png"}

    Returns
    -------
    str
        For DICOM the first folder below the root, for a file the name of its own folder.
    """
    parts = [root.name, *path.relative_to(root).parts]
    return parts[:2][-1] if format == "dicom" else parts[-2]
