"""Define models of the literature, one file each: a backbone and training settings, named after a paper.

To add a published model, add a module to this folder that defines `PUBLISHED_MODEL`. The first line of its docstring
says what the paper did; the rest says what is substituted here. The report prints both as they are. A published model
differs from its backbone only by keys of the config's `training` section, so the code that trains, evaluates and
explains knows no published model. The config takes the file's name as a word of `pipelines.systems`. Nothing here
imports TensorFlow.
"""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lungsight.errors import UserError


@dataclass(frozen=True)
class PublishedModel:
    """What an architecture stands for.

    Attributes
    ----------
    backbone
        Name of the network, a file of `training.backbones`.
    paper
        Authors and year.
    citation
        Where it appeared.
    input_view, weights
        Of the pipeline.
    training
        Keys of the config's `training` section that this model sets, whatever the config says.
    """

    backbone: str
    paper: str = ""
    citation: str = ""
    input_view: str = "whole"
    weights: str = "imagenet"
    training: Mapping[str, Any] = field(default_factory=dict)


@cache
def names() -> list[str]:
    """List the published models, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def _module(name: str) -> Any:
    if name not in names():
        raise UserError(f"pipelines.systems: {name!r} is not known; known are {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{name}")


def load(name: str) -> PublishedModel:
    """Load a published model. Raises UserError, which lists the known names, for any other name."""
    return _module(name).PUBLISHED_MODEL


def description_of(name: str, classes: int = 2) -> tuple[str, str]:
    """Return what the paper did, in one line, and what is substituted here, in one paragraph.

    A paper of more than two classes names them in CLASSES_OF_PAPER of its file. In a run of another number of classes
    they are a substitution.

    Parameters
    ----------
    name
        Of the published model.
    classes
        How many the run has.
    """
    title, _, rest = inspect.cleandoc(_module(name).__doc__).partition("\n")
    of_paper: Sequence[str] = getattr(_module(name), "CLASSES_OF_PAPER", ())
    if of_paper and len(of_paper) != classes:
        named = ", ".join(of_paper)
        rest = f"Substituted: the classes. The paper has {len(of_paper)} ({named}); here there are {classes}. {rest}"
    return title, " ".join(rest.split())


def recipe_of(architecture: str) -> PublishedModel:
    """Return what an architecture stands for: a published model, or a backbone without settings of its own."""
    return load(architecture) if architecture in names() else PublishedModel(architecture)


def network_of(architecture: str, training: Mapping[str, Any]) -> str:
    """Return the network of an architecture, a file of `training.backbones`.

    It is the architecture's backbone, or what the config's `training.networks` puts in its place.
    """
    backbone = recipe_of(architecture).backbone
    return training["networks"].get(backbone, backbone)


def training_settings(architecture: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config's `training` section with the changes of an architecture."""
    return {**training, **recipe_of(architecture).training}
