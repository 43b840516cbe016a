"""Scans in a bucket of an object storage (S3): a list of them before the first job, and copies while a job reads them.

What runs before the first job looks at names, sizes and times alone. So a bucket is listed into a folder: for each
object a file without content, of its name, size and time. All that looks at scans on a disk looks there. The tables of
a known data set are copied instead, since its layout reads them.
"""

import fcntl
import glob
import hashlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow, read_cohort_tables
from lungsight.paths import LONGEST_NAME, SCHEME, is_bucket
from lungsight.privacy import make_private_folder
from lungsight.program import log

TABLES = (".csv", ".tsv", ".txt", ".xlsx")  # what the layouts of public data sets read
PAIRED = (".hdr", ".img")  # header and voxels are two files of one name
AT_ONCE = 8  # objects of a scan that are fetched at once
ARCHIVED = ("GLACIER", "DEEP_ARCHIVE")  # storage classes from which an object has to be restored before it can be read


@dataclass(frozen=True)
class StoredObject:
    """An object below a folder of a bucket.

    Attributes
    ----------
    name : str
        From the folder on.
    size : int
        Bytes.
    time : int
        When it was written, in nanoseconds since the epoch. A storage knows whole seconds; the rest stands for the
        content (ETag), so that another content of the same second is seen.
    is_archived : bool
        Whether it has to be restored before it can be read.
    """

    name: str
    size: int
    time: int
    is_archived: bool = False

    @classmethod
    def of(cls, entry: dict[str, Any], name: str) -> "StoredObject":
        """Read an entry of a list that a storage gives."""
        content = int.from_bytes(hashlib.sha256(entry.get("ETag", "").encode()).digest()[:8], "big") % 10**9
        time = int(entry["LastModified"].timestamp()) * 10**9 + content
        return cls(name, entry["Size"], time, entry.get("StorageClass") in ARCHIVED)

    def is_at(self, place: Path) -> bool:
        """Tell whether a file is there and has the size and the time of the object."""
        if not place.is_file():
            return False
        state = place.stat()
        return (state.st_size, state.st_mtime_ns) == (self.size, self.time)


def _s3() -> ModuleType:
    """Import what uses boto3."""
    try:
        from lungsight.intake import s3
    except ImportError:
        raise UserError(
            "Scans in a bucket need boto3: pip install 'snakemake-storage-plugin-s3==0.3.6' (docs/scale.md)."
        ) from None
    return s3


@dataclass(frozen=True)
class ScanBucket:
    """A folder of a bucket, by its address: s3://BUCKET/FOLDER."""

    address: str

    @property
    def bucket(self) -> str:
        """Name of the bucket."""
        return self.address.removeprefix(SCHEME).partition("/")[0]

    @property
    def prefix(self) -> str:
        """What the keys of all objects of the folder begin with."""
        folder = self.address.removeprefix(SCHEME).partition("/")[2].strip("/")
        return f"{folder}/" if folder else ""

    def objects(self, beginning: str = "", most: int | None = None) -> Iterator[StoredObject]:
        """Yield the objects whose names, from the folder on, begin like this; the first of them, if there are more."""
        pages = (
            _s3()
            .client()
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.bucket, Prefix=self.prefix + beginning, PaginationConfig={"MaxItems": most})
        )
        for page in pages:
            for entry in page.get("Contents", []):
                yield StoredObject.of(entry, entry["Key"][len(self.prefix) :])

    def objects_of_scan(self, path: str, most: int | None = None) -> Iterator[StoredObject]:
        """Yield what a path of the table names: an object, all below a folder, or both halves of a pair of files."""
        path = os.path.normpath(path)
        stem, ending = os.path.splitext(path.removesuffix(".gz"))
        if ending.lower() in PAIRED:
            yield from (entry for entry in self.objects(f"{stem}.") if "/" not in entry.name[len(stem) :])
            return
        # Of all names that begin like the path, the path itself is the first.
        own = [entry for entry in self.objects(path, most=1) if entry.name == path]
        yield from own or self.objects("" if path == "." else f"{path}/", most)

    def fetch(self, wanted: StoredObject, place: Path) -> str:
        """Copy an object into a file. Return what the storage answers if this one cannot be read; else ""."""
        with _s3().in_words(self.address):
            place.parent.mkdir(parents=True, exist_ok=True)
            return _s3().download(self.bucket, self.prefix + wanted.name, place)

    def list_into(self, folder: Path, with_tables: bool) -> list[str]:
        """List the objects as files without content; what is listed already stays.

        Parameters
        ----------
        folder : Path
            A folder of its own: what is no object is removed from it. Names of scans may name patients.
        with_tables : bool
            Copy tables.

        Returns
        -------
        list of str
            What is left out, a sentence each.
        """
        with _s3().in_words(self.address):
            found = [entry for entry in self.objects() if not entry.name.endswith("/")]  # / is an empty folder
            readable = [entry for entry in found if not entry.is_archived]
            if not readable:
                raise UserError(f"{self.address} holds no object{' that is not archived' * bool(found)}.")
            # Keys may list and not read.
            _s3().client().head_object(Bucket=self.bucket, Key=self.prefix + readable[0].name)
            wanted = {entry.name: entry for entry in _that_fit(readable)}
            _remove_all_but(wanted, folder)
            with TemporaryDirectory(prefix=".partial-", dir=folder.parent) as unfinished:
                for entry in wanted.values():
                    if not entry.is_at(folder / entry.name):
                        with_content = with_tables and entry.name.lower().endswith(TABLES)
                        self._list(entry, folder / entry.name, Path(unfinished, "entry"), with_content)
        counts = {
            "archived: restore them": len(found) - len(readable),
            "left out, since no file can have their names": len(readable) - len(wanted),
        }
        return [f"{count} objects are {what}." for what, count in counts.items() if count]

    def _list(self, entry: StoredObject, place: Path, unfinished: Path, with_content: bool) -> None:
        """Put an entry into a list, in one step: jobs of a run may be looking at it."""
        if not with_content or self.fetch(entry, unfinished):
            unfinished.touch()
            os.truncate(unfinished, entry.size)  # takes no room on the disk
        os.utime(unfinished, ns=(entry.time, entry.time))
        place.parent.mkdir(parents=True, exist_ok=True)
        os.replace(unfinished, place)


def _that_fit(objects: Sequence[StoredObject]) -> Iterator[StoredObject]:
    """Yield the objects that can be files below a folder. One whose name is also that of a folder cannot."""
    folders = {str(above) for entry in objects for above in PurePosixPath(entry.name).parents}
    for entry in objects:
        parts = entry.name.split("/")
        fits = all(0 < len(part.encode()) <= LONGEST_NAME and part not in (".", "..") for part in parts)
        if fits and "\0" not in entry.name and entry.name not in folders:
            yield entry


def _remove_all_but(wanted: Mapping[str, StoredObject], folder: Path) -> None:
    """Remove the files of a list whose object is gone, and folders that are empty."""
    for above, folders, files in os.walk(folder, topdown=False):
        for name in files:
            place = Path(above, name)
            if str(place.relative_to(folder)) not in wanted:
                place.unlink()
        for name in folders:
            if not any(os.scandir(place := Path(above, name))):
                place.rmdir()


@contextmanager
def scans_at_hand(root: str | Path, paths: Iterable[str], most: int | None = None) -> Iterator[Path]:
    """Give the folder that paths of a table start from: the root itself, or one with copies of them from a bucket.

    Copies are deleted at the end. An object that is no longer there, or that may not be read, is absent, as it would be
    on a disk. most: of a folder, so many objects are enough.

    Raises
    ------
    UserError
        If the storage does not answer: no fault of a scan, so the job has to be run again.
    """
    if not is_bucket(root):
        yield Path(root)
        return
    bucket = ScanBucket(str(root))
    _remove_copies_of_killed()
    with TemporaryDirectory(prefix=f"{_COPIES}{os.getpid()}-") as folder:
        named = dict.fromkeys(filter(None, paths))
        with _s3().in_words(bucket.address):
            found = [entry for path in named for entry in bucket.objects_of_scan(path, most)]
        fitting = {entry.name: entry for entry in _that_fit(found)}
        with ThreadPoolExecutor(AT_ONCE) as pool:
            fetched = pool.map(lambda entry: bucket.fetch(entry, Path(folder, entry.name)), fitting.values())
            answers = [*filter(None, fetched)]
        if answers:
            codes = ", ".join(sorted(set(answers)))
            log(f"{len(answers)} objects of a scan cannot be read: the storage answers {codes}")
        yield Path(folder)


_COPIES = f"lungsight-{os.getuid()}-{socket.gethostname()}-"


@cache
def _remove_copies_of_killed() -> None:
    """Remove the copies of scans that a process of this user left here when it was killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{glob.escape(_COPIES)}*"):
        owner = folder.name.removeprefix(_COPIES).partition("-")[0]
        if owner.isdigit() and not os.path.exists(f"/proc/{owner}") and os.path.isdir("/proc"):
            shutil.rmtree(folder, ignore_errors=True)


def listed_cohorts(
    cohorts: dict[str, dict[str, Any]], folder: Path, list_now: bool
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Give cohorts whose scans lie in a bucket the folder of its list as root.

    Parameters
    ----------
    cohorts : dict
        Of a completed config.
    folder : Path
        Where the lists lie, in the private folder.
    list_now : bool
        List the buckets; otherwise take the lists that are there.

    Returns
    -------
    cohorts : dict
        The others as they are.
    remarks : list of str
        What to tell the user.
    """
    places = {
        name: folder / (f"{name}.{cohort['layout']}" if "layout" in cohort else name)
        for name, cohort in cohorts.items()
        if is_bucket(cohort["root"])
    }
    remarks: list[str] = []
    if list_now and (places or folder.is_dir()):
        for private in (folder.parent, folder, *places.values()):
            make_private_folder(private)
        with open(folder / ".lock", "w", encoding="ascii") as lock:  # of another command on the same run
            fcntl.flock(lock, fcntl.LOCK_EX)
            for stale in set(folder.iterdir()) - {*places.values(), folder / ".lock"}:
                shutil.rmtree(stale, ignore_errors=True)
            for name, place in places.items():
                left_out = ScanBucket(cohorts[name]["root"]).list_into(place, "layout" in cohorts[name])
                remarks += [f"cohorts.{name}: {sentence}" for sentence in left_out]
    listed = {
        name: cohort | {"root": str(places[name])} if name in places else cohort for name, cohort in cohorts.items()
    }
    return listed, remarks


def read_listed_tables(
    cohorts: dict[str, dict[str, Any]],
    listed: dict[str, dict[str, Any]],
    labels: dict[str, list[str]],
    shared_ids: bool,
) -> dict[str, list[TableRow]]:
    """Read tables as `read_cohort_tables` does; messages name the bucket, not the folder of its list.

    cohorts, listed: as of `listed_cohorts`.
    """
    try:
        return read_cohort_tables(listed, labels, shared_ids)
    except UserError as error:
        text = str(error)
        for name, cohort in cohorts.items():
            text = text.replace(listed[name]["root"], cohort["root"])
        raise UserError(text) from None


def use_storage_settings(settings: Mapping[str, Any]) -> None:
    """Take Snakemake's settings of S3 for scans as well, unless the environment has its own.

    settings: name of a storage plugin → its settings, as Snakemake keeps them.
    """
    given = settings["s3"].get_settings() if "s3" in settings else None
    if endpoint := getattr(given, "endpoint_url", None):
        os.environ.setdefault("AWS_ENDPOINT_URL_S3", endpoint)
    keys = {
        "AWS_ACCESS_KEY_ID": getattr(given, "access_key", None),
        "AWS_SECRET_ACCESS_KEY": getattr(given, "secret_key", None),
        "AWS_SESSION_TOKEN": getattr(given, "token", None),
    }
    if not set(keys) & set(os.environ):  # they belong together
        os.environ.update({variable: value for variable, value in keys.items() if value})
