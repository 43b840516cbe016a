"""The client of S3, and what it raises in words.

Only `bucket` imports this module, and only where a bucket is read: boto3 comes with Snakemake's storage plugin, which
few have.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import boto3  # pyright: ignore[reportMissingImports]
from boto3.exceptions import Boto3Error  # pyright: ignore[reportMissingImports]
from boto3.s3.transfer import TransferConfig  # pyright: ignore[reportMissingImports]
from botocore.config import Config  # pyright: ignore[reportMissingImports]
from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingImports]
from s3transfer.exceptions import S3DownloadFailedError, S3ValidationError  # pyright: ignore[reportMissingImports]

from lungsight.errors import UserError

# What a storage answers for one object that is gone, is archived or has an owner of its own: a fault of that scan.
OF_ONE_OBJECT = ("404", "NoSuchKey", "403", "AccessDenied", "InvalidObjectState")
_ELSE = "Check the network, the keys (AWS_ACCESS_KEY_ID or ~/.aws) and, if it is not Amazon's, AWS_ENDPOINT_URL_S3."
_ADVICE = {
    "NoSuchBucket": "There is no such bucket at this address; check the name, and AWS_ENDPOINT_URL_S3.",
    "AccessDenied": "Your keys may not list or read it; its owner has to allow it.",
    "403": "Your keys may not read it; its owner has to allow it.",
}


@cache
def client() -> Any:
    """Make the client of S3. Address, region and keys come from ~/.aws or the environment, as boto3 reads them."""
    if not os.environ.get("AWS_ENDPOINT_URL_S3", "https://").startswith(("http://", "https://")):
        raise UserError("AWS_ENDPOINT_URL_S3 is no address; write it as https://s3.example.org.")
    try:
        return boto3.client("s3", config=Config(retries={"mode": "standard", "max_attempts": 5}))
    except BotoCoreError as error:
        raise UserError(f"The settings of S3 in ~/.aws or the environment are wrong: {error}") from None


def _code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


@contextmanager
def in_words(address: str) -> Iterator[None]:
    """Turn what boto3 raises into a sentence. Its own words may hold the name of an object, and so of a patient."""
    try:
        yield
    except ClientError as error:
        code = _code_of(error)
        raise UserError(f"{address} cannot be read: the storage answers {code}. {_ADVICE.get(code, _ELSE)}") from None
    except (BotoCoreError, Boto3Error, S3DownloadFailedError, S3ValidationError) as error:
        raise UserError(f"{address} cannot be read ({type(error).__name__}). {_ELSE}") from None
    except OSError as error:
        raise UserError(f"A copy of a scan, or a list, cannot be written on this machine: {error.strerror}.") from None


def download(bucket: str, key: str, place: Path) -> str:
    """Copy an object into a file. Return what the storage answers if this one cannot be read, and no file; else ""."""
    try:
        with open(place, "wb") as file:
            client().download_fileobj(bucket, key, file, Config=TransferConfig(use_threads=False))
    except ClientError as error:
        place.unlink()
        if _code_of(error) not in OF_ONE_OBJECT:
            raise
        return _code_of(error)
    return ""
