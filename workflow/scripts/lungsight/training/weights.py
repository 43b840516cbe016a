"""Where the weights of a stage-1 network come from: Keras's download or a local file, whose SHA-256 is known."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import keras

from lungsight.errors import UserError
from lungsight.files import atomic_path, sha256_of, write_text
from lungsight.training.backbones import Backbone

DOWNLOAD_TIMEOUT = 20  # seconds without an answer


@dataclass(frozen=True)
class WeightsFile:
    """Weights of a backbone without top. kind: "imagenet" or "stand-in"; sha256: what the file must have."""

    path: Path
    kind: str
    sha256: str

    def checked(self) -> Path:
        """The path. Raises UserError when the file is absent or is another one."""
        if not self.path.is_file():
            raise UserError(f"The weights {self.path} do not exist.")
        found = sha256_of(self.path)
        if found != self.sha256:
            raise UserError(
                f"{self.path} is not the expected file: its SHA-256 is {found}, expected is {self.sha256}. "
                "Fetch it again, or correct training.imagenet in the config."
            )
        return self.path


def sidecar(path: Path) -> Path:
    """Where the SHA-256 of weights that a rule made is kept."""
    return path.with_name(path.name + ".sha256")


def write_sidecar(path: Path) -> None:
    """Write the SHA-256 of a weights file beside it."""
    write_text(sidecar(path), sha256_of(path) + "\n")


def read_sidecar(path: Path) -> str:
    """The SHA-256 that a rule wrote beside a weights file."""
    return sidecar(path).read_text(encoding="ascii").strip()


def download_imagenet(name: str, backbone: Backbone, target: Path) -> None:
    """Fetch Keras's ImageNet weights (from its cache, where they are there already) into `target`, and its sidecar.

    Raises UserError that says which file to put where, when they cannot be had.
    """
    if not backbone.imagenet_url:
        raise UserError(f"There are no ImageNet weights of {name}. {_remedy(name, 'the weights')}")
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        cached = keras.utils.get_file(
            backbone.imagenet_file, backbone.imagenet_url, cache_subdir="models", file_hash=backbone.imagenet_md5
        )
    except Exception as error:  # get_file raises bare Exception for whatever went wrong on the way
        raise UserError(
            f"The ImageNet weights of {name} cannot be downloaded here: {backbone.imagenet_url} does not answer. "
            + _remedy(name, backbone.imagenet_file)
        ) from error
    with atomic_path(target) as temporary:
        shutil.copyfile(cached, temporary)
    write_sidecar(target)


def _remedy(name: str, file: str) -> str:
    return (
        f"Put {file} on this machine, in the folder weights/ say, and write into the config\n"
        "  training:\n"
        "    imagenet:\n"
        f"      {name}: {{file: weights/{file}, sha256: <what sha256sum says of it>}}\n"
        "or train without: pipelines: {weights: [scratch]}"
    )
