"""Read the config's `transfer_study` section, and check it where the study is asked for. It imports no TensorFlow."""

from typing import Any, NamedTuple

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.pipelines import TARGET_ONLY, Pipeline, pipelines_of
from lungsight.training.published_models import network_of
from lungsight.training.settings import settings_of_stage

Config = dict[str, Any]

TWO_STAGES, ONE_STAGE = "stage1", "one_stage"
# What a start is in the words of the stages: with stage 1 before it, or without.
STAGE_OF_START = {TWO_STAGES: "2", ONE_STAGE: TARGET_ONLY}
ALL, RANDOM, ENTROPY = "all", "random", "entropy"
SELECTIONS = (ALL, RANDOM, ENTROPY)


class Cell(NamedTuple):
    """One training of the study.

    Attributes
    ----------
    frozen_blocks
        Blocks that are left as they are, counted from the input.
    patients
        Training patients of the target cohort.
    draw
        From 1.
    selection
        Of SELECTIONS: all slices of these patients, or some of each.
    """

    frozen_blocks: int
    patients: int
    draw: int
    selection: str

    @property
    def name(self) -> str:
        """The cell in names of folders."""
        return f"frozen{self.frozen_blocks}-patients{self.patients}-{self.selection}-draw{self.draw}"


def pipeline_of_study(config: Config) -> str:
    """Name the pipeline of the study: the config's, else the first of the run that has no remedy; "" without one."""
    plain = (pipeline.name for pipeline in pipelines_of(config) if not pipeline.remedy)
    return config["transfer_study"]["pipeline"] or next(plain, "")


def check_transfer_study(config: Config) -> None:
    """Check the study before any job of it.

    Raises
    ------
    UserError
        A cohort is missing, the pipeline cannot be studied, or more blocks are frozen than it has.
    """
    for role, why in (("public", "its start is trained on it"), ("target", "its patients are drawn")):
        if not cohorts_with_role(config, role):
            raise UserError(f"transfer_study: the config has no cohort with role: {role}, and {why}. Add one.")
    (target, *_) = cohorts_with_role(config, "target")
    if config["cohorts"][target]["patients"] != "known":
        raise UserError(f"transfer_study: patients of {target} are unknown, so they cannot be counted or drawn.")
    study, name = config["transfer_study"], pipeline_of_study(config)
    plain = [pipeline.name for pipeline in pipelines_of(config) if not pipeline.remedy]
    if name not in plain:
        raise UserError(
            f"transfer_study.pipeline: {name or 'none'} is no pipeline of this run without a remedy; it trains"
            f" {', '.join(plain) or 'none'}."
        )
    if settings_of_stage(config, name, "2")["solver"] == "closed_form":
        raise UserError(
            f"transfer_study.pipeline: {name} has solver: closed_form, which trains the head alone, at any depth."
            " Choose another pipeline."
        )
    fewest, classes = min(study["patients"]), len(config["labels"])
    if fewest < classes:
        raise UserError(f"transfer_study.patients: {fewest} is too few for {classes} classes; each needs a patient.")
    _check_depths(study["depths"], network_of(Pipeline.parse(name).architecture, config["training"]))
    epochs, warmup = study["epochs"], config["training"]["warmup_epochs"]
    if epochs is not None and epochs <= warmup:
        raise UserError(f"transfer_study.epochs: training.warmup_epochs ({warmup}) leaves nothing of {epochs}.")


def _check_depths(depths: list[int], backbone: str) -> None:
    blocks = backbones.load(backbone).blocks
    if not blocks:
        raise UserError(f"transfer_study: the file of {backbone} states no number of blocks, so none can be frozen.")
    if max(depths) > blocks:
        raise UserError(
            f"transfer_study.depths: {max(depths)} blocks cannot be frozen, {backbone} has {blocks}. Write numbers"
            f" from 0 (all is trained) to {blocks} (the head alone)."
        )


def cells_of(config: Config, start: str) -> list[Cell]:
    """List the trainings from one start, in the order in which they are done.

    In one stage from random weights nothing is frozen: random blocks hold nothing to keep. Slices are chosen by entropy
    after two stages alone, at the smallest number of frozen blocks.
    """
    study = config["transfer_study"]
    depths, patients = sorted(study["depths"]), sorted(study["patients"])
    if start == ONE_STAGE and Pipeline.parse(pipeline_of_study(config)).weights == "scratch":
        depths = [0]
    kinds = [(depth, ALL) for depth in depths]
    if start == TWO_STAGES:
        kinds += [(depths[0], RANDOM), (depths[0], ENTROPY)]
    draws = range(1, study["draws"] + 1)
    return [Cell(depth, number, draw, kind) for depth, kind in kinds for number in patients for draw in draws]


def settings_of_study(config: Config, pipeline: str) -> dict[str, Any]:
    """Return the training settings of a pipeline: those of its stage 2, with the epochs of `transfer_study`."""
    epochs: int | None = config["transfer_study"]["epochs"]
    return settings_of_stage(config, pipeline, "2") | ({} if epochs is None else {"epochs": epochs})
