"""Name the pipelines of a run, and the stages that they are trained in. It imports no TensorFlow.

A pipeline has three parts, and may have a fourth:

- The input view: "whole" shows the network the whole slice, "segmented" the slice with everything but the lung set to
  zero. Tables call the column `framework`; so does the config (`pipelines.frameworks`).
- The architecture: a backbone, or a published model, which has a backbone of its own. Tables call the column
  `backbone`. The backbone of an architecture is `published_models.recipe_of(architecture).backbone`, and the
  network that is trained `published_models.network_of(architecture, training)`.
- The weights that stage 1 starts from: "scratch", "imagenet" or "simsiam".
- A remedy against shortcuts, a file of `training.remedies`; "" for none.

Under `training.replicates` a pipeline is trained several times. The run's own model is the first replicate and has the
pipeline's name; the name of another one ends with -r<k>, from -r2 on.
"""

import itertools
import re
from pathlib import Path
from typing import Any, NamedTuple

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training import backbones, published_models, remedies

REPLICATE = re.compile(r"r\d+")  # the last word of a replicate's name; no remedy has such a name
ROLE_OF_STAGE = {1: "public", 2: "target"}  # role of the cohort that a stage is trained on
TARGET_ONLY = "2-target-only"  # the stage that is trained on the target cohort without stage 1
# Column of a table of predictions, by a network that predicts a patient from all slices at once.
PATIENT_PREDICTION = "patient_probability"
PATIENT_CLASS = "patient_p"  # with more than two classes also patient_p_1, patient_p_2, …


class Pipeline(NamedTuple):
    """One combination of input view, architecture, weights and remedy, named by these words, and its replicate."""

    input_view: str
    architecture: str
    weights: str
    remedy: str = ""
    replicate: int = 1

    @property
    def words(self) -> list[str]:
        """The words of the name, the same for all replicates: three, and the remedy where there is one."""
        return [self.input_view, self.architecture, self.weights, *([self.remedy] if self.remedy else [])]

    @property
    def name(self) -> str:
        """The name in tables and paths: the words, joined by hyphens, and -r<k> from the second replicate on."""
        return "-".join(self.words if self.replicate == 1 else [*self.words, f"r{self.replicate}"])

    @property
    def columns(self) -> dict[str, str]:
        """The first three words under the columns that tables of results have: framework, backbone and weights."""
        return {"framework": self.input_view, "backbone": self.architecture, "weights": self.weights}

    @classmethod
    def parse(cls, name: str) -> "Pipeline":
        """Read a pipeline from its name."""
        input_view, architecture, weights, *rest = name.split("-")
        replicate = int(rest.pop().removeprefix("r")) if rest and REPLICATE.fullmatch(rest[-1]) else 1
        return cls(input_view, architecture, weights, *rest, replicate=replicate)


def pipeline_and_stage(folder: Path) -> tuple[Pipeline, int]:
    """Read the pipeline and the stage, 1 or 2, from the path of a folder …/<pipeline>/stage<k>.

    The folder `stage2-target-only` is of stage 2.
    """
    return Pipeline.parse(folder.parent.name), int(folder.name.removeprefix("stage")[0])


def model_columns(pipeline: str, stage: int | str) -> dict[str, Any]:
    """Return the columns that identify a model in a table: pipeline, framework, backbone, weights and stage."""
    return {"pipeline": pipeline, **Pipeline.parse(pipeline).columns, "stage": stage}


def pipelines_of(config: dict[str, Any]) -> list[Pipeline]:
    """List the configured pipelines in the config's order: every combination, then the published models.

    A remedy that has nothing to change in an input view makes no pipeline of it.
    """
    chosen = config["pipelines"]
    words = ["" if name == remedies.NONE else name for name in chosen["remedies"]]
    combined = itertools.product(chosen["frameworks"], chosen["backbones"], chosen["weights"])
    published = ((name, published_models.load(name)) for name in chosen["systems"])
    without = [*combined, *((model.input_view, name, model.weights) for name, model in published)]
    pipelines = [Pipeline(*each, remedy=remedy) for each in without for remedy in words]
    return [each for each in pipelines if each.input_view in remedies.load(each.remedy).input_views]


def input_views_of(config: dict[str, Any]) -> list[str]:
    """List the input views of the configured pipelines, in their order."""
    return list(dict.fromkeys(pipeline.input_view for pipeline in pipelines_of(config)))


def section_of(pipeline: Pipeline) -> dict[str, list[str]]:
    """Return the config's `pipelines` section that configures this one pipeline."""
    remedy = {"remedies": [pipeline.remedy]} if pipeline.remedy else {}
    if pipeline.architecture in published_models.names():
        return {"frameworks": [], "backbones": [], "weights": [], "systems": [pipeline.architecture]} | remedy
    combination = {"frameworks": [pipeline.input_view], "backbones": [pipeline.architecture]}
    return combination | {"weights": [pipeline.weights]} | remedy


def settings_of_pipeline(pipeline: Pipeline, training: dict[str, Any]) -> dict[str, Any]:
    """Return the config's `training` section with the changes of a pipeline's architecture and remedy."""
    of_architecture = published_models.training_settings(pipeline.architecture, training)
    of_remedy = training["remedies"].get(pipeline.remedy, {})
    replaced = {key: value for key, value in of_remedy.items() if key in training}
    return {**of_architecture, **remedies.load(pipeline.remedy).training, **replaced}


def check_pipelines(config: dict[str, Any]) -> None:
    """Check the configured pipelines before any job.

    Raises
    ------
    UserError
        No pipeline is chosen, an architecture is unknown or cannot be trained as configured, or a local file of
        ImageNet weights that a pipeline would start from does not exist.
    """
    for name in config["pipelines"]["backbones"]:
        backbones.module_file(name)
    check_networks(config["training"]["networks"])
    pipelines = pipelines_of(config)
    if not pipelines:
        raise UserError("pipelines: nothing is chosen: give frameworks, backbones and weights, or systems.")
    for pipeline in pipelines:
        check_architecture(pipeline.architecture, config)
        check_remedy(pipeline, config)
    for name in config["pipelines"]["remedies"]:
        if name != remedies.NONE and name not in [pipeline.remedy for pipeline in pipelines]:
            views = " and ".join(remedies.load(name).input_views)
            raise UserError(f"pipelines.remedies: {name} is for {views} slices, and no pipeline of this run sees them.")
    wanted = backbones_from_imagenet(config)
    for name, weights in config["training"]["imagenet"].items():
        if name in wanted and not Path(weights["file"]).is_file():
            raise UserError(f"training.imagenet.{name}.file: {weights['file']} does not exist.")


def backbones_from_imagenet(config: dict[str, Any]) -> list[str]:
    """List the backbones that a pipeline of the config starts from ImageNet weights."""
    started = [pipeline.architecture for pipeline in pipelines_of(config) if pipeline.weights == "imagenet"]
    training = config["training"]
    return list(dict.fromkeys(published_models.network_of(architecture, training) for architecture in started))


def check_networks(networks: dict[str, str]) -> None:
    """Raise UserError where a network that stands in for a backbone, or that backbone, is not known."""
    for backbone, network in networks.items():
        for name in (backbone, network):
            if name not in backbones.names():
                raise UserError(
                    f"training.networks: {name!r} in {backbone}: {network} is not known; known are"
                    f" {', '.join(backbones.names())}."
                )


def check_architecture(architecture: str, config: dict[str, Any]) -> None:
    """Raise UserError where an architecture is not known, or cannot be trained as configured."""
    backbones.check_image_size(
        published_models.network_of(architecture, config["training"]), config["training"]["image_size"]
    )
    training = published_models.training_settings(architecture, config["training"])
    if (training["solver"] == "closed_form") != (training["head"] == "extreme_learning_machines"):
        raise UserError(
            "training.solver: closed_form is for head: extreme_learning_machines, and that head for no other;"
            f" {architecture} has {training['solver']} and {training['head']}."
        )


def check_remedy(pipeline: Pipeline, config: dict[str, Any]) -> None:
    """Raise UserError where a remedy changes nothing of a pipeline, or cannot be had."""
    remedy = remedies.load(pipeline.remedy)
    before = published_models.training_settings(pipeline.architecture, config["training"])
    of_settings_alone = not (remedy.treatment or remedy.architecture)
    if of_settings_alone and remedy.training and all(before[key] == value for key, value in remedy.training.items()):
        same = ", ".join(f"training.{key}: {value}" for key, value in remedy.training.items())
        raise UserError(
            f"pipelines.remedies: {pipeline.remedy} changes nothing of {pipeline.architecture}, which has {same}"
            " already; leave one of the two out."
        )
    if remedies.GENERATED in remedy.needs and config["splits"]["repeats"] and config["training"]["replicates"] > 1:
        raise UserError(
            f"pipelines.remedies: the generators of {pipeline.remedy} are trained on the training patients of one"
            " split, and with splits.repeats replicates have others, which test some of these patients. Set"
            f" splits.repeats: false, or leave {pipeline.remedy} out."
        )
    if not of_settings_alone and before["solver"] == "closed_form":
        changed = "the training step" if remedy.treatment else "the network, which training steps must then learn"
        raise UserError(
            f"pipelines.remedies: {pipeline.remedy} changes {changed}, and {pipeline.architecture} has"
            " solver: closed_form, which takes none; leave one of the two out."
        )
    backbone = published_models.network_of(pipeline.architecture, config["training"])
    if remedies.WEIGHED in remedy.needs and not backbones.load(backbone).weighed:
        weighed = [name for name in backbones.names() if backbones.load(name).weighed]
        raise UserError(
            f"pipelines.remedies: {pipeline.remedy} weighs the layers that a backbone's file names, and that of"
            f" {backbone} names none; {', '.join(weighed)} do. Leave {pipeline.remedy} out, or train one of these."
        )


def generated_folder(pipeline: Pipeline, cohort: str, training: dict[str, Any]) -> str:
    """Return the folder, below the run's, of the slices that are generated for a pipeline from a cohort."""
    region = settings_of_pipeline(pipeline, training)["region"]
    return f"training/generated/{pipeline.remedy}/{cohort}/{region}/{pipeline.input_view}"


def stages_of(config: dict[str, Any]) -> list[int]:
    """List the stages that the config's cohorts allow: 1 needs a public cohort, 2 a target cohort as well."""
    if not cohorts_with_role(config, "public"):
        return []
    return [1, 2] if cohorts_with_role(config, "target") else [1]
