"""What the config says of one stage's training, and which files it starts from: standard library alone."""

from collections.abc import Mapping
from typing import Any

from lungsight.config import cohorts_with_role
from lungsight.training.pipelines import TARGET_ONLY, Pipeline, stages_of
from lungsight.training.published_models import recipe_of, training_settings

BY_STAGE = ("epochs", "learning_rate")
# What decides how, where or from what a training runs, and is told to it otherwise; the rest are its settings.
ELSEWHERE = ("preset", "adaptation_controls", "threads", "gpus", "imagenet", "stand_in")


def stage_number(stage: int | str) -> int:
    """1 or 2, of the name of a stage: "1", "2", or "2-target-only", which is stage 2 without stage 1 before it."""
    return int(str(stage)[0])


def cohorts_predicted(config: dict, stage: int | str) -> list[str]:
    """Cohorts that a stage's model is evaluated on: stage 1 also before adaptation, on the target cohort."""
    roles = {1: ("public", "target", "external"), 2: ("target", "external")}
    return cohorts_with_role(config, *roles[stage_number(stage)])


def stages_with_controls(config: dict) -> list[int | str]:
    """The stages, and 2-target-only where the config asks for the controls of adaptation."""
    stages = stages_of(config)
    return [*stages, TARGET_ONLY] if config["training"]["adaptation_controls"] and 2 in stages else stages


def settings_of_stage(config: dict, pipeline: str, stage: str) -> dict[str, Any]:
    """The settings that a pipeline's stage depends on; epochs and learning rate are the stage's own."""
    training = training_settings(Pipeline.parse(pipeline).architecture, config["training"])
    own = {name: training[name][f"stage{stage_number(stage)}"] for name in BY_STAGE}
    return {name: value for name, value in training.items() if name not in (*BY_STAGE, *ELSEWHERE)} | own


def imagenet_source(config: dict, backbone: str) -> str:
    """Where weights for `imagenet` come from: a local `file` of the config's, a `stand-in`, or Keras's `download`."""
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


def training_problems(config: dict) -> list[str]:
    """List what a schema cannot say of the training's settings, a sentence each."""
    training, wrong = config["training"], []
    low, high = training["augmentation"]["brightness"]
    if low > high:
        wrong.append(f"training.augmentation.brightness: {low} is above {high}.")
    for stage, epochs in training["epochs"].items():
        if training["warmup_epochs"] >= epochs:
            wrong.append(f"training.warmup_epochs: {training['warmup_epochs']} leaves nothing of {epochs} in {stage}.")
    return wrong
