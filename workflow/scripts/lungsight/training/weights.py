"""Get the weights that stage 1 starts from: Keras's download or a local file, with a known SHA-256."""

import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import keras

from lungsight.errors import UserError
from lungsight.files import atomic_path, sha256_of, write_text
from lungsight.training.backbones import Backbone

DOWNLOAD_TIMEOUT = 20  # seconds without a response


@dataclass(frozen=True)
class WeightsFile:
    """A file of weights of a backbone without its classifier.

    Attributes
    ----------
    path
        The file.
    kind
        "imagenet", "stand-in" or "simsiam".
    sha256
        The SHA-256 that the file must have.
    """

    path: Path
    kind: str
    sha256: str

    def checked(self) -> Path:
        """Return the path. Raises UserError where the file is absent or has another SHA-256."""
        if not self.path.is_file():
            raise UserError(f"The weights {self.path} do not exist.")
        actual = sha256_of(self.path)
        if actual != self.sha256:
            raise UserError(
                f"{self.path} is not the expected file: its SHA-256 is {actual}, expected is {self.sha256}. "
                "Fetch it again, or correct training.imagenet in the config."
            )
        return self.path


def sidecar(path: Path) -> Path:
    """Return the path of the SHA-256 that a rule writes beside its weights."""
    return path.with_name(path.name + ".sha256")


def write_sidecar(path: Path) -> None:
    """Write the SHA-256 of a weights file beside it."""
    write_text(sidecar(path), sha256_of(path) + "\n")


def read_sidecar(path: Path) -> str:
    """Read the SHA-256 that a rule wrote beside a weights file."""
    return sidecar(path).read_text(encoding="ascii").strip()


def download_imagenet(name: str, backbone: Backbone, target: Path) -> None:
    """Fetch Keras's ImageNet weights into `target`, from Keras's cache where it has them, and write the sidecar.

    Raises
    ------
    UserError
        The weights cannot be downloaded. The message says which file to put where.
    """
    if not backbone.imagenet_url:
        raise UserError(f"There are no ImageNet weights of {name}. {_remedy(name, 'the weights')}")
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        cached = keras.utils.get_file(
            backbone.imagenet_file, backbone.imagenet_url, cache_subdir="models", file_hash=backbone.imagenet_md5
        )
    except Exception as error:  # get_file raises a bare Exception for any failure
        raise UserError(
            f"The ImageNet weights of {name} cannot be downloaded here: {backbone.imagenet_url} does not answer. "
            + _remedy(name, backbone.imagenet_file)
        ) from error
    with atomic_path(target) as temporary:
        shutil.copyfile(cached, temporary)
    write_sidecar(target)


def _remedy(name: str, file: str) -> str:
    return (
        f"Put {file} on this machine, for example into the folder weights/, and write into the config\n"
        "  training:\n"
        "    imagenet:\n"
        f"      {name}: {{file: weights/{file}, sha256: <the output of sha256sum>}}\n"
        "or train without: pipelines: {weights: [scratch]}"
    )
