"""The versions of libraries that results were made with: recorded by each job, compared when a run starts.

A job that succeeds leaves results/<run>/libraries/<program>/<output>.json. A changed version reruns nothing by itself:
the run says which results it would affect.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lungsight.files import read_json, write_json

FOLDER = "LUNGSIGHT_LIBRARIES"  # environment variable: where a job leaves its record; without it there is none

# What is imported → the distribution that brings it, where the two have different names.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "gdcm": "python-gdcm",
    "jpeg_ls": "pyjpegls",
    "libjpeg": "pylibjpeg-libjpeg",
    "openjpeg": "pylibjpeg-openjpeg",
    "rle": "pylibjpeg-rle",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# They fetch scans from a bucket, and no result depends on them. An extra brings them, so most have none.
WITHOUT_EFFECT = frozenset({"boto3", "botocore", "s3transfer"})
# A library → those that it computes with, and that the code need not import by name.
WORKS_WITH = {
    "highdicom": ("pydicom",),
    "keras": ("tensorflow",),
    "nnunetv2": ("torch", "acvl_utils", "batchgenerators", "batchgeneratorsv2", "dynamic_network_architectures"),
    "pydicom": ("gdcm", "jpeg_ls", "libjpeg", "openjpeg", "pylibjpeg", "rle"),
    "tf_keras_vis": ("keras",),
}


def version_of(library: str) -> str | None:
    """Return the installed version of a library by its import name. For Python, return two numbers, as in 3.11."""
    from importlib import metadata  # takes longer than all else here, and most of what imports this never asks

    if library == "python":
        return ".".join(platform.python_version_tuple()[:2])
    try:
        return metadata.version(DISTRIBUTIONS.get(library, library))
    except metadata.PackageNotFoundError:
        return None


def loaded_versions() -> dict[str, str]:
    """Return the versions of Python and of each library that this process has loaded, by import name."""
    loaded = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    versions = {name: version_of(name) for name in sorted({"python", *loaded}) if not name.startswith("_")}
    return {name: version for name, version in versions.items() if version}


def _stamps(words: list[str]) -> dict[str, int | None]:
    """Return when each path of a command line was last written. None: it is no path."""

    def stamp(word: str) -> int | None:
        try:
            return os.stat(word).st_mtime_ns
        except (OSError, ValueError):
            return None

    return {word: stamp(word) for word in words}


@contextmanager
def recorded_libraries() -> Iterator[dict[str, str]]:
    """Record the libraries that are loaded when the block ends, under the last path of the command line it wrote.

    Yields a dict that the block may fill: versions of libraries that its results were made with in another process.

    Outputs stand last on the command line: a folder before them may be one that another job writes into. An error in
    the block, or a block that writes nothing, leaves no record.
    """
    folder, words = os.environ.get(FOLDER), sys.argv[1:]
    before = _stamps(words) if folder else {}
    others: dict[str, str] = {}
    yield others
    after = _stamps(words) if folder else {}
    written = [word for word in words if after.get(word) is not None and after[word] != before[word]]
    if folder and written:
        output = os.path.relpath(written[-1], Path(folder).parent)
        name = output.replace(os.sep, "-").lstrip(".")
        record = {"output": output, "libraries": loaded_versions() | others}
        write_json(Path(folder) / Path(sys.argv[0]).stem / f"{name}.json", record)


def with_their_own(libraries: frozenset[str]) -> frozenset[str]:
    """Add to libraries those that they compute with."""
    found, waiting = set(), list(libraries)
    while waiting:
        library = waiting.pop()
        if library not in found:
            found.add(library)
            waiting += WORKS_WITH.get(library, ())
    return frozenset(found)


def changed_libraries(
    folder: Path, libraries_of: Callable[[str], frozenset[str]], installed: Callable[[str], str | None] = version_of
) -> dict[tuple[str, str, str], dict[str, int]]:
    """Compare the records of a run with what is installed.

    Parameters
    ----------
    folder
        The records, `results/<run>/libraries`. One whose output is gone does not count.
    libraries_of
        Program → the libraries that its results depend on, by the names they are imported with.
    installed
        Library → its version now; None where it is absent.

    Returns
    -------
    dict
        (library, recorded version, version now) → program → how many of its jobs have that record.
    """
    changed: dict[tuple[str, str, str], dict[str, int]] = {}
    for place in sorted(path for path in folder.glob("*") if path.is_dir()):
        needed = with_their_own(libraries_of(place.name)) | {"python"}
        for path in sorted(place.glob("*.json")):
            record = read_json(path)
            if not (folder.parent / record["output"]).exists():
                continue
            for library, version in sorted(record["libraries"].items()):
                now = installed(library) or "absent"
                if library in needed and now != version:
                    jobs = changed.setdefault((library, version, now), {})
                    jobs[place.name] = jobs.get(place.name, 0) + 1
    return changed


def changes_in_words(changed: Mapping[tuple[str, str, str], Mapping[str, int]]) -> str:
    """Write what a run shows about changed libraries when it starts. "": none changed."""
    if not changed:
        return ""
    lines = []
    for (library, version, now), jobs in sorted(changed.items()):
        affected = ", ".join(f"{program} ({number})" for program, number in sorted(jobs.items()))
        lines.append(f"  {DISTRIBUTIONS.get(library, library)} {version}, now {now}: {affected}")
    programs = sorted({program for jobs in changed.values() for program in jobs})
    return "\n".join(
        [
            "Libraries changed since results of this run were made (in brackets: results of each rule):",
            *lines,
            f"These results are kept. To make them anew: --forcerun {' '.join(programs)}",
        ]
    )
