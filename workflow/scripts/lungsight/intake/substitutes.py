"""Say what a file is that is named like a slice or a picture and is neither."""

from pathlib import Path

from lungsight.intake.file_kinds import DICOM, kind_of
from lungsight.intake.file_names import HEAD

# What `file_kinds` unpacks or no volume is: place, bytes, words.
_MARKS = (
    (0, b"\x1f\x8b", "gzip stream: unpack it"),
    (0, b"version https://git-lfs", "Git LFS pointer: fetch the file that it stands for"),
    (0, b"BM", "BMP"),
    (0, b"GIF8", "GIF"),
    (8, b"WEBP", "WEBP"),
)


def substitute_of(path: Path) -> str:
    """Describe a file by its first bytes, as "a gzip stream: unpack it"; "" if they are unknown."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if head and not any(head):
        return "zeros alone"
    marked = (words for place, mark, words in _MARKS if head[place : place + len(mark)] == mark)
    kind = next(marked, kind_of(head))
    return f"a {kind}{' file' if kind == DICOM else ''}" if kind else ""
