"""Scans in a bucket of an object storage (S3): a list of them before the first job, and copies while a job reads them.

What runs before the first job looks at names, sizes and times alone. So a bucket is listed into a folder: for each
object a file without content, of its name, size and time. All that looks at scans on a disk looks there. The tables of
a known data set are copied instead, since its layout reads them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from lungsight.errors import UserError
from lungsight.paths import LONGEST_NAME, SCHEME, is_bucket
from lungsight.privacy import make_private_folder

TABLES = (".csv", ".tsv", ".txt", ".xlsx")  # what the layouts of public data sets read
PAIRED = (".hdr", ".img", ".mhd", ".nhdr")  # the voxels, or the header, are another file of the same name
AT_ONCE = 8  # objects of a scan that are fetched at once


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
        When it was written, in nanoseconds since the epoch.
    """

    name: str
    size: int
    time: int

    def is_at(self, place: Path) -> bool:
        """Tell whether a file has the size and the time of the object."""
        state = place.stat()
        return (state.st_size, state.st_mtime_ns) == (self.size, self.time)


def _module(name: str) -> Any:
    """Import a module of boto3 or botocore: they come with Snakemake's storage plugin, which few have."""
    try:
        return import_module(name)
    except ImportError:
        raise UserError(
            "Scans in a bucket need boto3: pip install 'snakemake-storage-plugin-s3==0.3.6' (docs/scale.md)."
        ) from None


@cache
def _client() -> Any:
    """Make the client of S3. Address, region and keys come from ~/.aws or the environment, as boto3 reads them."""
    config = _module("botocore.config").Config(retries={"mode": "standard", "max_attempts": 5})
    try:
        return _module("boto3").client("s3", config=config)
    except ValueError:
        raise UserError("AWS_ENDPOINT_URL_S3 is no address; write it as https://s3.example.org.") from None


_ELSE = "Check the network, the keys (AWS_ACCESS_KEY_ID or ~/.aws) and, if it is not Amazon's, AWS_ENDPOINT_URL_S3."
_ADVICE = {
    "NoSuchBucket": "There is no such bucket at this address; check the name, and AWS_ENDPOINT_URL_S3.",
    "AccessDenied": "Your keys may not list or read it; its owner has to allow it.",
}


@contextmanager
def _in_words(address: str) -> Iterator[None]:
    """Turn what boto3 raises into a sentence. Its own words may hold the name of an object, and so of a patient."""
    errors = _module("botocore.exceptions")
    try:
        yield
    except errors.ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        raise UserError(f"{address} cannot be read: the storage answers {code}. {_ADVICE.get(code, _ELSE)}") from None
    except (errors.BotoCoreError, _module("boto3.exceptions").Boto3Error) as error:
        raise UserError(f"{address} cannot be read ({type(error).__name__}). {_ELSE}") from None


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

    def objects(self, beginning: str = "") -> Iterator[StoredObject]:
        """Yield the objects whose names, from the folder on, begin like this."""
        pages = _client().get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket, Prefix=self.prefix + beginning):
            for entry in page.get("Contents", []):
                seconds = int(entry["LastModified"].timestamp())
                yield StoredObject(entry["Key"][len(self.prefix) :], entry["Size"], seconds * 10**9)

    def objects_of_scan(self, path: str) -> Iterator[StoredObject]:
        """Yield what a path of the table names: an object, all below a folder, or both halves of a pair of files."""
        path = os.path.normpath(path)
        stem, ending = os.path.splitext(path.removesuffix(".gz"))
        paired = ending.lower() in PAIRED
        for found in self.objects(f"{stem}." if paired else path):
            if (
                found.name == path
                or found.name.startswith(f"{path}/")
                or (paired and "/" not in found.name[len(stem) :])
            ):
                yield found

    def fetch(self, wanted: StoredObject, folder: Path) -> None:
        """Copy an object to its name below a folder."""
        place = folder / wanted.name
        place.parent.mkdir(parents=True, exist_ok=True)
        key, config = self.prefix + wanted.name, _module("boto3.s3.transfer").TransferConfig(use_threads=False)
        with _in_words(self.address):
            _client().download_file(self.bucket, key, str(place), Config=config)

    def list_into(self, folder: Path, with_tables: bool) -> int:
        """List the objects as files without content; what is listed already stays.

        Parameters
        ----------
        folder : Path
            A folder of its own: what is no object is removed from it. Names of scans may name patients.
        with_tables : bool
            Copy tables.

        Returns
        -------
        int
            How many objects are left out, since no file can have their names.
        """
        with _in_words(self.address):
            found = list(self.objects())
        found = [entry for entry in found if not entry.name.endswith("/")]  # what stands for an empty folder
        if not found:
            raise UserError(f"{self.address} holds no object. Check the name of the bucket and of the folder.")
        wanted = {entry.name: entry for entry in _that_fit(found)}
        make_private_folder(folder)
        _remove_all_but(wanted, folder)
        for entry in wanted.values():
            place = folder / entry.name
            if place.exists():
                continue
            if with_tables and entry.name.lower().endswith(TABLES):
                self.fetch(entry, folder)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
                os.truncate(place, entry.size)  # takes no room on the disk
            os.utime(place, ns=(entry.time, entry.time))
        return len(found) - len(wanted)


def _that_fit(objects: Sequence[StoredObject]) -> Iterator[StoredObject]:
    """Yield the objects that can be files below a folder. One whose name is also that of a folder cannot."""
    folders = {str(above) for entry in objects for above in PurePosixPath(entry.name).parents}
    for entry in objects:
        parts = entry.name.split("/")
        fits = all(0 < len(part.encode()) <= LONGEST_NAME and part not in (".", "..") for part in parts)
        if fits and "\0" not in entry.name and entry.name not in folders:
            yield entry


def _remove_all_but(wanted: dict[str, StoredObject], folder: Path) -> None:
    """Remove the files of a list whose object is gone or another one, and folders that are empty."""
    for above, folders, files in os.walk(folder, topdown=False):
        for name in files:
            place = Path(above, name)
            entry = wanted.get(str(place.relative_to(folder)))
            if entry is None or not entry.is_at(place):
                place.unlink()
        for name in folders:
            if not any(os.scandir(place := Path(above, name))):
                place.rmdir()


@contextmanager
def scans_at_hand(root: str | Path, paths: Iterable[str]) -> Iterator[Path]:
    """Give the folder that paths of a table start from: the root itself, or one with copies of them from a bucket.

    Copies are deleted at the end. What is no longer in the bucket is absent, as it would be on a disk.

    Raises
    ------
    UserError
        If the storage does not answer: no fault of a scan, so the job has to be run again.
    """
    if not is_bucket(root):
        yield Path(root)
        return
    bucket = ScanBucket(str(root))
    with TemporaryDirectory(prefix="lungsight-") as folder:
        with _in_words(bucket.address):
            found = [entry for path in dict.fromkeys(filter(None, paths)) for entry in bucket.objects_of_scan(path)]
        fitting = list({entry.name: entry for entry in _that_fit(found)}.values())
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for _ in pool.map(lambda entry: bucket.fetch(entry, Path(folder)), fitting):
                pass
        yield Path(folder)


def listed_cohorts(
    cohorts: dict[str, dict[str, Any]], folder: Path, list_now: bool
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Give cohorts whose scans lie in a bucket the folder of its list as root.

    Parameters
    ----------
    cohorts : dict
        Of a completed config.
    folder : Path
        Where the lists lie.
    list_now : bool
        List the buckets; otherwise take the lists that are there.

    Returns
    -------
    cohorts : dict
        The others as they are.
    remarks : list of str
        What to tell the user.
    """
    listed, remarks = {}, []
    for name, cohort in cohorts.items():
        if not is_bucket(cohort["root"]):
            listed[name] = cohort
            continue
        layout = cohort.get("layout", "")
        place = folder / (f"{name}.{layout}" if layout else name)
        if list_now and (left_out := ScanBucket(cohort["root"]).list_into(place, with_tables=bool(layout))):
            remarks.append(f"cohorts.{name}: {left_out} objects are left out, since no file can have their names.")
        listed[name] = cohort | {"root": str(place)}
    return listed, remarks


@contextmanager
def named_as_written(cohorts: dict[str, dict[str, Any]], listed: dict[str, dict[str, Any]]) -> Iterator[None]:
    """Let a UserError name the bucket of a cohort, and not the folder of its list. Both as of `listed_cohorts`."""
    try:
        yield
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
    variables = {
        "endpoint_url": "AWS_ENDPOINT_URL_S3",
        "access_key": "AWS_ACCESS_KEY_ID",
        "secret_key": "AWS_SECRET_ACCESS_KEY",
    }
    for name, variable in variables.items():
        if value := getattr(given, name, None):
            os.environ.setdefault(variable, value)
