"""What a folder of scans tells by its names alone. Standard library only."""

from pathlib import Path

IMAGES = (".png", ".jpg", ".jpeg")
VOLUMES = (".nii", ".nii.gz")


def guess_patient(path: Path, root: Path, kind: str) -> str:
    """The patient of a series folder or of a file: the first folder below the root, or the file's own folder."""
    parts = [root.name, *path.relative_to(root).parts]
    return parts[:2][-1] if kind == "dicom" else parts[-2]
