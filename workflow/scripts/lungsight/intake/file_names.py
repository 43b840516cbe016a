"""Tell formats and patients by the names of files and folders, and by a file's first bytes.

Standard library only: `lungsight.predict` reads this while the workflow is parsed.
"""

import re
from pathlib import Path, PurePosixPath

PICTURE_ENDINGS = (".png", ".jpg", ".jpeg")
VOLUME_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")

# Endings of what is no mask of a scan. DICOM files have any ending, and a file of a folder may have none.
_OTHER_FILE = re.compile(
    r"\.(png|jpe?g|tiff?|bmp|gif|webp|txt|[ct]sv|xlsx?|ods|json|xml|pdf|docx?|zip|tar|tgz|7z|rar|mat|np[yz]|h5|pkl|stl|obj)$"
)
HEAD = 1024  # bytes that show what a file is
_FIRST_GROUPS = (2, 8)  # of a DICOM file without preamble
# What file systems and archivers leave beside the scans: thumbnails of Windows, shadow files of macOS.
_LEFTOVERS = {"thumbs.db", "desktop.ini"}
_LEFTOVER_FOLDER = "__MACOSX"
_MASK = re.compile(r"(?:.*mask|seg|.*segmentation|.*label|labelmap|annotation)s?")
_LESION = re.compile(r"(?:lesion|roi)s?")  # of a folder, this may be the name of a class


def is_named_mask(path: Path) -> bool:
    """Tell whether a file below a cohort's root, or a folder that it lies in, is named like a mask."""
    words = re.split(r"[^a-z]+", path.as_posix().lower())
    own = re.split(r"[^a-z]+", path.name.lower())
    return any(_MASK.fullmatch(word) for word in words) or any(_LESION.fullmatch(word) for word in own)


def is_leftover(path: Path) -> bool:
    """Tell whether a file below a cohort's root is hidden or was left by a file system or an archiver."""
    hidden = any(part.startswith(".") for part in path.parts)
    return hidden or path.name.lower() in _LEFTOVERS or _LEFTOVER_FOLDER in path.parts


def looks_like_dicom(head: bytes) -> bool:
    """Recognise a file with the preamble, or one without that starts with group 0002 or 0008, as in old archives.

    An explicit VR or a short length must follow the first tag, in either byte order.
    """
    if head[128:132] == b"DICM":
        return True
    for order in ("little", "big"):
        group, element = (int.from_bytes(head[place : place + 2], order) for place in (0, 2))
        if group in _FIRST_GROUPS and element < 0x3000 and len(head) > 8:
            return (head[4:6].isalpha() and head[4:6].isupper()) or int.from_bytes(head[4:8], order) < 1024
    return False


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


def problem_of_lungs(path: str, format: str) -> str:
    """Say why a file is no lung mask by the ending of its name; "" if it may be one. DICOM files have any ending."""
    name = PurePosixPath(path).name.lower()
    if format == "png":
        return "" if name.endswith(".png") else "lungs of a picture is a PNG of its size, and this is no .png."
    if _OTHER_FILE.search(name):
        return "lungs of a scan is a NIfTI, NRRD, MetaImage, DICOM SEG or RTSTRUCT; this is none by its ending."
    return ""
