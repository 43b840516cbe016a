"""The networks, a file each: what the rest of the workflow knows of a backbone is its name.

A module of this folder defines `BACKBONE`. Names come from listing the folder, and no module imports TensorFlow before
a network is built: a config is checked against a backbone's smallest image while the workflow is parsed.
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

    build: image size → flat functional keras.Model from (size, size, 3), freshly initialised.
    preprocess: (n, size, size, 3) float32 in 0–255, RGB → what the network takes. preprocessing: that, in words.
    explained_layer: the layer whose maps the head pools. layers_by_stride: input pixels per map pixel → the last layer
    of that resolution, the coarsest first. min_size: smallest rows and columns that it takes.
    imagenet_url, imagenet_md5: Keras's file of ImageNet weights without top; empty where there is none.
    """

    build: Callable[[int], Any]
    preprocess: Callable[[Any], Any]
    preprocessing: str
    explained_layer: str
    min_size: int
    layers_by_stride: Mapping[int, str] = field(default_factory=dict)
    imagenet_url: str = ""
    imagenet_md5: str = ""

    @property
    def imagenet_file(self) -> str:
        """File name of the ImageNet weights."""
        return self.imagenet_url.rpartition("/")[2]


def names() -> list[str]:
    """The known backbones, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def module_file(name: str) -> Path:
    """The file that defines a backbone. Raises UserError that lists the known ones for a name that is none."""
    if name not in names():
        raise UserError(f"pipelines.backbones: {name!r} is not known; known are {', '.join(names())}.")
    return Path(__file__).with_name(f"{name}.py")


def load(name: str) -> Backbone:
    """The backbone `name`. Raises UserError as `module_file`."""
    return importlib.import_module(f"{__name__}.{module_file(name).stem}").BACKBONE


def check_image_size(name: str, size: int) -> None:
    """Raise UserError for images of fewer rows and columns than a backbone takes."""
    smallest = load(name).min_size
    if size < smallest:
        raise UserError(f"training.image_size: {size} is too small for {name}, which takes {smallest} and more.")


def application(build: str, module: str) -> dict[str, Callable]:
    """`build` and `preprocess` of a Backbone that Keras has: keras.applications.<build>, randomly initialised and
    without top, and keras.applications.<module>.preprocess_input. Keras is imported when they are called."""

    def built(size: int) -> Any:
        import keras

        return getattr(keras.applications, build)(include_top=False, weights=None, input_shape=(size, size, 3))

    def preprocessed(images: Any) -> Any:
        import keras

        return getattr(keras.applications, module).preprocess_input(images)

    return {"build": built, "preprocess": preprocessed}
