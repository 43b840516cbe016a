"""A bucket of a real S3 server (moto). Import it after `pytest.importorskip`, as the tests of `make test-bucket` do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3  # pyright: ignore[reportMissingImports]
from moto.server import ThreadedMotoServer  # pyright: ignore[reportMissingImports]

BUCKET = "lungs"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}


class Bucket:
    """The objects below a prefix of a bucket, by their names from there on."""

    def __init__(self, address: str, prefix: str):
        self.address, self.prefix = address, prefix
        self.client: Any = boto3.client(
            "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="y"
        )

    def names(self) -> set[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{self.prefix}/")
        return {entry["Key"].removeprefix(f"{self.prefix}/") for page in pages for entry in page.get("Contents", [])}

    def content(self, name: str) -> bytes:
        return self.client.get_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")["Body"].read()

    def put(self, name: str, content: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}", Body=content)

    def put_folder(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(str(path.relative_to(folder)), path.read_bytes())

    def delete(self, name: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=f"{self.prefix}/{name}")


@contextmanager
def running_bucket(prefix: str) -> Iterator[Bucket]:
    """Start a server with an empty bucket, and end it.

    All servers of one process share what they store, so what an earlier one stored is removed first.
    """
    running = ThreadedMotoServer("127.0.0.1", port=0)
    running.start()
    try:
        host, port = running.get_host_and_port()
        address = f"http://{host}:{port}"
        urlopen(Request(f"{address}/moto-api/reset", method="POST"), timeout=60).close()
        bucket = Bucket(address, prefix)
        bucket.client.create_bucket(Bucket=BUCKET)
        yield bucket
    finally:
        running.stop()
