"""Name the pipelines of a run, and the stages that they are trained in. Standard library alone."""

import itertools
from pathlib import Path
from typing import NamedTuple

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training import backbones, published_models

ROLE_OF_STAGE = {1: "public", 2: "target"}  # of the cohort that a stage is trained on
TARGET_ONLY = "2-target-only"  # the stage that is trained on the target cohort without stage 1


class Pipeline(NamedTuple):
    """One of the configured combinations, named `framework-backbone-weights`; for the backbone may stand a system."""

    input_view: str
    architecture: str
    weights: str

    @property
    def name(self) -> str:
        return "-".join(self)

    @property
    def columns(self) -> dict[str, str]:
        """The three words as the columns `framework backbone weights` that every table of results has."""
        return {"framework": self.input_view, "backbone": self.architecture, "weights": self.weights}

    @classmethod
    def parse(cls, name: str) -> "Pipeline":
        """The inverse of `name`."""
        return cls(*name.split("-"))


def pipelines_of(config: dict) -> list[Pipeline]:
    """The configured pipelines, in the config's order: every combination, then the systems."""
    chosen = config["pipelines"]
    combined = itertools.product(chosen["frameworks"], chosen["backbones"], chosen["weights"])
    known = ((name, published_models.load(name)) for name in chosen["systems"])
    return [
        *(Pipeline(*parts) for parts in combined),
        *(Pipeline(system.framework, name, system.weights) for name, system in known),
    ]


def input_views_of(config: dict) -> list[str]:
    """The frameworks of the configured pipelines, in their order."""
    return list(dict.fromkeys(pipeline.input_view for pipeline in pipelines_of(config)))


def section_of(pipeline: Pipeline) -> dict[str, list[str]]:
    """The config's `pipelines` section that gives this one pipeline."""
    if pipeline.architecture in published_models.names():
        return {"frameworks": [], "backbones": [], "weights": [], "systems": [pipeline.architecture]}
    return {"frameworks": [pipeline.input_view], "backbones": [pipeline.architecture], "weights": [pipeline.weights]}


def check_pipelines(config: dict) -> None:
    """Raise UserError where no pipeline is chosen, a word is not known, images are too small, or weights are absent.

    Absent weights: a local file of ImageNet weights that a pipeline would start from and that does not exist.
    """
    for name in config["pipelines"]["backbones"]:
        backbones.module_file(name)
    pipelines = pipelines_of(config)
    if not pipelines:
        raise UserError("pipelines: nothing is chosen: give frameworks, backbones and weights, or systems.")
    for pipeline in pipelines:
        check_word(pipeline.architecture, config)
    of_imagenet = [pipeline.architecture for pipeline in pipelines if pipeline.weights == "imagenet"]
    wanted = {published_models.recipe_of(word).backbone for word in of_imagenet}
    for name, weights in config["training"]["imagenet"].items():
        if name in wanted and not Path(weights["file"]).is_file():
            raise UserError(f"training.imagenet.{name}.file: {weights['file']} does not exist.")


def check_word(word: str, config: dict) -> None:
    """Raise UserError where the middle word of a pipeline's name is not known, or cannot be trained as configured."""
    backbones.check_image_size(published_models.recipe_of(word).backbone, config["training"]["image_size"])
    training = published_models.training_settings(word, config["training"])
    if (training["solver"] == "closed_form") != (training["head"] == "extreme_learning_machines"):
        raise UserError(
            "training.solver: closed_form is for head: extreme_learning_machines, and that head for no other;"
            f" {word} has {training['solver']} and {training['head']}."
        )


def stages_of(config: dict) -> list[int]:
    """The stages that the config's cohorts allow: 1 needs a public cohort, 2 a target cohort as well."""
    if not cohorts_with_role(config, "public"):
        return []
    return [1, 2] if cohorts_with_role(config, "target") else [1]
