"""Systems of the literature, a file each: pipelines that are named after a paper.

A module of this folder defines `SYSTEM`; its docstring says in its first line what the paper did, and below it what is
a substitution here, and goes into the report as it is. What a system does differently is said in words of the config's
`training` section, so that everything behind it works for any pipeline. Nothing else names a system: the config takes
the file's name as a word of `pipelines.systems`. Standard library alone: a config is checked without TensorFlow.
"""

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lungsight.errors import UserError


@dataclass(frozen=True)
class PublishedModel:
    """What a pipeline is made of, beyond its name.

    backbone: by its file. paper: authors and year. citation: where it appeared. framework, weights: as a pipeline has
    them. training: keys of the config's `training` section that this system sets, whatever the config says.
    """

    backbone: str
    paper: str = ""
    citation: str = ""
    framework: str = "whole"
    weights: str = "imagenet"
    training: Mapping[str, Any] = field(default_factory=dict)


@cache
def names() -> list[str]:
    """The known systems, sorted."""
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")


def _module(name: str) -> Any:
    if name not in names():
        raise UserError(f"pipelines.systems: {name!r} is not known; known are {', '.join(names())}.")
    return importlib.import_module(f"{__name__}.{name}")


def load(name: str) -> PublishedModel:
    """The system `name`. Raises UserError that lists the known ones for a name that is none."""
    return _module(name).PUBLISHED_MODEL


def description_of(name: str) -> tuple[str, str]:
    """What a system is, in one line, and what is a substitution here, in one paragraph; from its file's docstring."""
    title, _, rest = inspect.cleandoc(_module(name).__doc__).partition("\n")
    return title, " ".join(rest.split())


def recipe_of(word: str) -> PublishedModel:
    """What stands behind the middle word of a pipeline's name: a system, or a backbone as it is."""
    return load(word) if word in names() else PublishedModel(word)


def training_settings(word: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """The config's `training` section as it holds for a pipeline with this word."""
    return {**training, **recipe_of(word).training}
