"""Describe where a model comes from, and check that two models, or a model and images, fit together.

The description lies beside the model, in provenance.json.
"""

import platform
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from lungsight import __version__
from lungsight.errors import UserError
from lungsight.files import read_json
from lungsight.training.backbones import Backbone

PACKAGES = ("tensorflow", "keras", "numpy", "pandas", "pillow")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that a training's numbers depend on."""
    return {name: metadata.version(name) for name in PACKAGES}


def hardware_class(device: str) -> dict[str, str]:
    """Describe the machine: the device ("cpu", "gpu") and the processor's architecture; no host name."""
    return {"device": device, "machine": platform.machine()}


def describe_training(name: str, backbone: Backbone, settings: dict[str, Any], seed: int, code: str) -> dict[str, Any]:
    """Return the part of a provenance that is known before the training: backbone, settings, seed, code, packages."""
    return {
        "backbone": name,
        "image_size": settings["image_size"],
        "preprocessing": backbone.preprocessing,
        "explained_layer": backbone.explained_layer,
        "settings": settings,
        "seed": seed,
        "lungsight": __version__,
        "code": code,
        "packages": package_versions(),
    }


def bag_size_of(provenance: dict[str, Any]) -> int:
    """Return how many slices of a patient were pooled when the model with this provenance was trained."""
    return provenance.get("settings", {}).get("bag_size", 1)


def check_parent(path: Path, backbone_name: str, preprocessing: str, image_size: int) -> None:
    """Raise UserError unless the parent model, by its provenance, has this backbone and takes such images."""
    _check(
        read_json(path),
        {"backbone": backbone_name, "preprocessing": preprocessing, "image_size": image_size},
        "The stage-1 model does not fit stage 2",
    )


def check_images(provenance: dict[str, Any], preprocessing: str, image_size: int) -> None:
    """Raise UserError unless a model, by its provenance, takes images of this size and preprocessing."""
    _check(provenance, {"preprocessing": preprocessing, "image_size": image_size}, "The model does not fit the images")


def _check(provenance: dict[str, Any], expected: dict[str, Any], problem: str) -> None:
    for key, value in expected.items():
        if provenance.get(key) != value:
            raise UserError(f"{problem}: its {key} is {provenance.get(key)!r}, {value!r} is wanted. Train it again.")


def origins_of(results: Path, models: Iterable[tuple[str, int]]) -> dict[str, str]:
    """Return what stage 1 of each pipeline started from: scratch, imagenet, stand-in or simsiam.

    Parameters
    ----------
    results
        The run's folder.
    models
        (pipeline, stage) of the models whose provenance is read.
    """
    return {
        name: read_json(results / f"models/{name}/stage{stage}/provenance.json")["weights"]["origin"]
        for name, stage in models
    }
