"""Read the settings of one stage's training from the config, and the files that it starts from.

It imports no TensorFlow.

A stage is named "1", "2" or "2-target-only". The last is stage 2 without stage 1 before it.
"""

from collections.abc import Mapping
from typing import Any

from lungsight.config import cohorts_with_role
from lungsight.training.pipelines import TARGET_ONLY, Pipeline, stages_of
from lungsight.training.published_models import recipe_of, training_settings

BY_STAGE = ("epochs", "learning_rate")
# Keys of `training` that choose how, where, or from which files a training runs. All other keys are its settings.
NOT_SETTINGS = ("preset", "adaptation_controls", "threads", "gpus", "imagenet", "stand_in")


def stage_number(stage: int | str) -> int:
    """Return 1 or 2 from the name of a stage."""
    return int(str(stage)[0])


def cohorts_predicted(config: dict[str, Any], stage: int | str) -> list[str]:
    """List the cohorts that a stage's model predicts; stage 1 predicts the target cohort too, before adaptation."""
    roles = {1: ("public", "target", "external"), 2: ("target", "external")}
    return cohorts_with_role(config, *roles[stage_number(stage)])


def stages_with_controls(config: dict[str, Any]) -> list[int | str]:
    """List the stages, and 2-target-only where `training.adaptation_controls` asks for it."""
    stages = stages_of(config)
    controls = [TARGET_ONLY] if config["training"]["adaptation_controls"] and 2 in stages else []
    return [*stages, *controls]


def settings_of_stage(config: dict[str, Any], pipeline: str, stage: str) -> dict[str, Any]:
    """Return the settings of a pipeline's stage, with the epochs and the learning rate of that stage."""
    training = training_settings(Pipeline.parse(pipeline).architecture, config["training"])
    of_stage = {name: training[name][f"stage{stage_number(stage)}"] for name in BY_STAGE}
    return {name: value for name, value in training.items() if name not in (*BY_STAGE, *NOT_SETTINGS)} | of_stage


def imagenet_source(config: dict[str, Any], backbone: str) -> str:
    """Return where ImageNet weights come from: "file" (a local one), "stand-in", or "download" (Keras's)."""
    if backbone in config["training"]["imagenet"]:
        return "file"
    return "stand-in" if config["training"]["stand_in"] is not None else "download"


def start_files(config: dict, results: str, pipeline: str, stage: str) -> dict[str, str]:
    """What a stage starts from, by the names of rule inputs: the parent model, weights of the backbone, or nothing.

    stage: "1", "2", or "2-target-only", which starts as stage 1 does. results: the run's folder.
    """
    if stage == "2":
        parent = f"{results}/models/{pipeline}/stage1"
        return {"parent": f"{parent}/model.keras", "parent_provenance": f"{parent}/provenance.json"}
    _, word, weights = Pipeline.parse(pipeline)
    if weights == "scratch":
        return {}
    backbone = recipe_of(word).backbone
    source = imagenet_source(config, backbone)
    if source == "file":
        given = config["training"]["imagenet"][backbone]["file"]
        return {"weights": given, "verified": f"{results}/training/imagenet/{backbone}.verified"}
    made = {"stand-in": f"stand_in/{backbone}.weights.h5", "download": f"training/imagenet/{backbone}.h5"}[source]
    return {"weights": f"{results}/{made}", "sha256": f"{results}/{made}.sha256"}


def start_words(config: dict, pipeline: str, stage: str, files: Mapping[str, str]) -> list[str]:
    """The arguments of a training that say what it starts from. files: as `start_files` names them."""
    if stage == "2":
        return ["--parent", files["parent"], "--parent-provenance", files["parent_provenance"]]
    if not files.get("weights"):
        return []
    backbone = recipe_of(Pipeline.parse(pipeline).architecture).backbone
    source = imagenet_source(config, backbone)
    known = ["--weights-sha256", config["training"]["imagenet"][backbone]["sha256"]] if source == "file" else []
    kind = "stand-in" if source == "stand-in" else "imagenet"
    return ["--weights", files["weights"], "--weights-kind", kind, *known]


def training_problems(config: dict[str, Any]) -> list[str]:
    """List the problems of the training's settings that a schema cannot express, a sentence each."""
    training, wrong = config["training"], []
    low, high = training["augmentation"]["brightness"]
    if low > high:
        wrong.append(f"training.augmentation.brightness: {low} is above {high}.")
    for stage, epochs in training["epochs"].items():
        if training["warmup_epochs"] >= epochs:
            wrong.append(f"training.warmup_epochs: {training['warmup_epochs']} leaves nothing of {epochs} in {stage}.")
    return wrong
