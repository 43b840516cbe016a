"""Define the backbones, one file each; the rest of the workflow knows a backbone by its file's name.

To add a backbone, add a module to this folder that defines `BACKBONE`. It must not import TensorFlow before a network
is built: a config is checked against a backbone's smallest image size while the workflow is parsed.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lungsight.errors import UserError


@dataclass(frozen=True)
class Backbone:
    """A convolutional network without its classifier.

    Attributes
    ----------
    build
        Image size → flat functional keras.Model from (size, size, 3), randomly initialised.
    preprocess
        (n, size, size, 3) float32 in 0-255, RGB → input of the network.
    preprocessing
        The same in words.
    explained_layer
        The layer whose maps the head pools.
    min_size
        Smallest number of rows and columns that the network takes.
    layers_by_stride
        Input pixels per map pixel → the last layer of that resolution, the coarsest first.
    blocks
        Number of resolutions, counted from the input, at which the network has weights; so many blocks can be frozen.
        0 where that is not stated.
    weighed
        The layers whose output an attention module weighs: the last of each residual branch before its addition, or
        the last of each dense block, or of each stage before its activation. Empty where no such rule is stated.
    imagenet_url, imagenet_md5
        Keras's file of ImageNet weights without top; empty where there is none.
    """

    build: Callable[[int], Any]
    preprocess: Callable[[Any], Any]
    preprocessing: str
    explained_layer: str
    min_size: int
    layers_by_stride: Mapping[int, str] = field(default_factory=dict)
    blocks: int = 0
    weighed: tuple[str, ...] = ()
    imagenet_url: str = ""
    imagenet_md5: str = ""

    @property
    def imagenet_file(self) -> str:
        """The file name of the ImageNet weights."""
        return self.imagenet_url.rpartition("/")[2]


def names() -> list[str]:
    """List the backbones, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def module_file(name: str) -> Path:
    """Return the file that defines a backbone. Raises UserError, which lists the known names, for any other name."""
    if name not in names():
        raise UserError(f"pipelines.backbones: {name!r} is not known; known are {', '.join(names())}.")
    return Path(__file__).with_name(f"{name}.py")


def load(name: str) -> Backbone:
    """Load a backbone. Raises UserError as `module_file` does."""
    return importlib.import_module(f"{__name__}.{module_file(name).stem}").BACKBONE


def check_image_size(name: str, size: int) -> None:
    """Raise UserError for images that are smaller than a backbone takes."""
    smallest = load(name).min_size
    if size < smallest:
        raise UserError(f"training.image_size: {size} is too small for {name}, which takes {smallest} and more.")


def application(build: str, module: str) -> dict[str, Any]:
    """Return `build` and `preprocess` of a backbone of keras.applications; Keras is imported when they are called.

    Parameters
    ----------
    build
        Name of the constructor, keras.applications.<build>.
    module
        Of its preprocessing, keras.applications.<module>.preprocess_input.
    """

    def built(size: int) -> Any:
        import keras

        return getattr(keras.applications, build)(include_top=False, weights=None, input_shape=(size, size, 3))

    def preprocessed(images: Any) -> Any:
        import keras

        return getattr(keras.applications, module).preprocess_input(images)

    return {"build": built, "preprocess": preprocessed}
