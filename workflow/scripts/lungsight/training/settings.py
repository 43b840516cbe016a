"""Read the settings of one stage's training from the config, and the files that it starts from.

It imports no TensorFlow.

A stage is named "1", "2" or "2-target-only". The last is stage 2 without stage 1 before it.
"""

from typing import Any

from lungsight.config import cohorts_with_role
from lungsight.training.pipelines import TARGET_ONLY, Pipeline, settings_of_pipeline, stages_of
from lungsight.training.published_models import network_of

BY_STAGE = ("epochs", "learning_rate")
# Keys of `training` that choose how, where, or from which files a training runs. All other keys are its settings.
# Of `remedies`, a pipeline's training has the settings of its own.
NOT_SETTINGS = (
    *("preset", "adaptation_controls", "replicates", "networks", "threads", "gpus"),
    *("imagenet", "stand_in", "simsiam", "remedies"),
)
SIMSIAM = "simsiam"  # of the words of pipelines.weights
# What a pre-training without labels has in common with the trainings behind it.
OF_PRETRAINING = ("image_size", "precision", "batch_norm_momentum")


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
    """Return the settings of a pipeline's stage, with the epochs and the learning rate of that stage.

    A pipeline with a remedy has one more key, `remedy`: its name and its settings.
    """
    remedy = Pipeline.parse(pipeline).remedy
    training = settings_of_pipeline(Pipeline.parse(pipeline), config["training"])
    of_stage = {name: training[name][f"stage{stage_number(stage)}"] for name in BY_STAGE}
    if remedy:
        of_stage["remedy"] = {"name": remedy, **config["training"]["remedies"].get(remedy, {})}
    return {name: value for name, value in training.items() if name not in (*BY_STAGE, *NOT_SETTINGS)} | of_stage


def imagenet_source(config: dict[str, Any], backbone: str) -> str:
    """Return where ImageNet weights come from: "file" (a local one), "stand-in", or "download" (Keras's)."""
    if backbone in config["training"]["imagenet"]:
        return "file"
    return "stand-in" if config["training"]["stand_in"] is not None else "download"


def start_of(config: dict[str, Any], results: str, pipeline: str, stage: str) -> dict[str, Any]:
    """Describe what a training starts from: the model of stage 1, weights of the backbone, or nothing.

    Parameters
    ----------
    config
        Complete config.
    results
        Folder of the run.
    pipeline
        Name of the pipeline.
    stage
        "1", "2", or "2-target-only", which starts as stage 1 does.

    Returns
    -------
    parent
        The folder of the model of stage 1; of stage 2 alone.
    weights, kind, sha256
        A file of weights, "imagenet", "stand-in" or "simsiam", and its SHA-256: None where a file beside the weights
        holds it.
        All three are absent where the training starts from nothing.
    """
    if stage == "2":
        return {"parent": f"{results}/models/{pipeline}/stage1"}
    chosen = Pipeline.parse(pipeline)
    if chosen.weights == "scratch":
        return {}
    if chosen.weights == SIMSIAM:
        weights = f"{results}/{pretraining_path(chosen, config['training'])}.weights.h5"
        return {"weights": weights, "kind": SIMSIAM, "sha256": None}
    backbone = network_of(chosen.architecture, config["training"])
    source = imagenet_source(config, backbone)
    if source == "file":
        local = config["training"]["imagenet"][backbone]
        return {"weights": local["file"], "kind": "imagenet", "sha256": local["sha256"]}
    if source == "stand-in":
        return {"weights": f"{results}/stand_in/{backbone}.weights.h5", "kind": "stand-in", "sha256": None}
    return {"weights": f"{results}/training/imagenet/{backbone}.h5", "kind": "imagenet", "sha256": None}


def pretraining_path(pipeline: Pipeline, training: dict[str, Any]) -> str:
    """Return how the paths of a pre-training without labels begin, below the run's folder."""
    return f"training/simsiam/{pipeline.input_view}/{network_of(pipeline.architecture, training)}"


def start_files(config: dict[str, Any], results: str, pipeline: str, stage: str) -> list[str]:
    """List the files of the run that a training starts from, as `start_of` describes it.

    A file of weights that the config names is none of them: its SHA-256 says what it is, and the training checks it.
    """
    start = start_of(config, results, pipeline, stage)
    if "parent" in start:
        return [f"{start['parent']}/model.keras", f"{start['parent']}/provenance.json"]
    if not start or start["sha256"]:
        return []
    return [start["weights"], f"{start['weights']}.sha256"]


def identity_of_start(start: dict[str, Any]) -> dict[str, Any]:
    """Keep of what `start_of` describes that on which a model depends: of a file with a SHA-256 not its place."""
    return {name: value for name, value in start.items() if name != "weights" or not start["sha256"]}


def training_problems(config: dict[str, Any]) -> list[str]:
    """List the problems of the training's settings that a schema cannot express, a sentence each."""
    training, wrong = config["training"], []
    low, high = training["augmentation"]["brightness"]
    if low > high:
        wrong.append(f"training.augmentation.brightness: {low} is above {high}.")
    for stage, epochs in training["epochs"].items():
        if training["warmup_epochs"] >= epochs:
            wrong.append(f"training.warmup_epochs: {training['warmup_epochs']} leaves nothing of {epochs} in {stage}.")
    return wrong + simsiam_problems(config) + class_cost_problems(training["class_costs"], len(config["labels"]))


def simsiam_settings(config: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a pre-training without labels."""
    training = config["training"]
    return training[SIMSIAM] | {name: training[name] for name in OF_PRETRAINING}


def simsiam_problems(config: dict[str, Any]) -> list[str]:
    """List what is wrong with a pre-training without labels, a sentence each; nothing where no pipeline asks for it."""
    if SIMSIAM not in config["pipelines"]["weights"]:
        return []
    wrong = []
    for name in ("crop", "brightness", "contrast"):
        low, high = config["training"][SIMSIAM]["augmentation"][name]
        if low > high:
            wrong.append(f"training.simsiam.augmentation.{name}: {low} is above {high}.")
    if not (config["pipelines"]["frameworks"] and config["pipelines"]["backbones"]):
        wrong.append(
            "pipelines.weights: simsiam is for backbones, and this run has none. A published model starts from the"
            " weights that its paper states. Take simsiam out, or name a backbone."
        )
    if config["splits"]["repeats"] and config["training"]["replicates"] > 1:
        wrong.append(
            "pipelines.weights: simsiam is pre-trained on the training patients of one split, and with splits.repeats"
            " replicates have others, which test some of these patients. Set splits.repeats: false, or take simsiam"
            " out."
        )
    return wrong


def class_cost_problems(costs: list[Any] | None, n: int) -> list[str]:
    """List what is wrong with `training.class_costs` for n classes: n numbers, or n rows of n numbers for n > 2."""
    if costs is None:
        return []
    if any(isinstance(cost, list) for cost in costs):
        fits = n > 2 and len(costs) == n and all(isinstance(row, list) and len(row) == n for row in costs)
        rows = f"{n} rows of {n} numbers, or {n} numbers" if n > 2 else "2 numbers"
        if not fits:
            return [f"training.class_costs: labels has {n} classes; write {rows}."]
        nothing = [place for place, row in enumerate(costs, start=1) if not sum(row)]
        return [
            f"training.class_costs: row {place} costs nothing; its class would not be learned." for place in nothing
        ]
    return [] if len(costs) == n else [f"training.class_costs: {len(costs)} costs for {n} classes; write {n} numbers."]
