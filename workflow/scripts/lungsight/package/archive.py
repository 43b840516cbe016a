"""Write a package: one zip file whose bytes depend on its contents alone.

Members are sorted and have one fixed time and mode. So two packages of one run are equal, and a hash of the package
stands for it.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from lungsight.files import atomic_path

MANIFEST = "manifest.json"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
MODE = 0o644
ROW_DIGITS = 8  # hexadecimal digits of each row's digest: an edited row is missed with a chance of one in 4 billion

# Of the repository: what a reader needs to see and to run what the run did.
SOURCES = (
    *("Snakefile", "LICENSE", "pyproject.toml", "requirements.lock", "envs/*.yaml", "config/*.tsv"),
    *(
        "workflow/Snakefile",
        *(f"workflow/**/*.{ending}" for ending in ("smk", "py", "yaml", "rst", "jinja", "css", "js")),
    ),
)


def workflow_files(repository: Path) -> dict[str, Path]:
    """List the files of lungsight that go into a package: name in it → file."""
    found = {path for pattern in SOURCES for path in repository.glob(pattern) if path.is_file()}
    return {path.relative_to(repository).as_posix(): path for path in sorted(found)}


def digest(content: bytes) -> str:
    """Return the SHA-256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digests_of_rows(table: bytes) -> str:
    """Return the digests of a table's lines, the heading first, one after the other."""
    return "".join(digest(line)[:ROW_DIGITS] for line in table.splitlines())


def manifest_of(contents: Mapping[str, bytes]) -> bytes:
    """Describe the files of a package: size and SHA-256 of each, and of prediction tables a digest of every row."""
    rows = {name: digests_of_rows(content) for name, content in contents.items() if "/predictions/" in name}
    files = {name: {"bytes": len(content), "sha256": digest(content)} for name, content in contents.items()}
    return as_json({"files": dict(sorted(files.items())), "rows": dict(sorted(rows.items()))})


def as_json(value: object) -> bytes:
    """Write indented JSON, in UTF-8."""
    return (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _members(contents: Mapping[str, bytes]) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    for name, content in sorted(contents.items()):
        member = zipfile.ZipInfo(name, date_time=EPOCH)
        member.compress_type = zipfile.ZIP_DEFLATED
        member.create_system = 3  # Unix, on whatever system it is written
        member.external_attr = MODE << 16
        yield member, content


def write_archive(path: Path, contents: Mapping[str, bytes]) -> None:
    """Write a zip file atomically. contents: name in it → bytes."""
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for member, content in _members(contents):
            archive.writestr(member, content, compresslevel=6)
