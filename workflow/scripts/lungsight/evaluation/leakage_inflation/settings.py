"""Read the config's `leakage` section, and check it while the workflow is parsed. It imports no TensorFlow."""

from typing import Any, NamedTuple

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training.pipelines import Pipeline, check_architecture, check_remedy, input_views_of
from lungsight.training.settings import settings_of_stage

Config = dict[str, Any]

DEFAULT_NETWORK = ("small_cnn", "scratch")  # architecture and weights where the config names no pipeline
CHANGED_SETTINGS = ("epochs", "learning_rate", "batch_size", "batch_norm_recalibration")
TRUE_LABELS, RANDOM_LABELS = "true", "shuffled"  # shuffled: a random label for every patient
LABELS = (TRUE_LABELS, RANDOM_LABELS)
UNITS = ("slice", "patient")


class LeakageCondition(NamedTuple):
    """One training of the experiment: the labels that it learns, and the unit that it is split by."""

    labels: str
    unit: str

    @property
    def name(self) -> str:
        """The condition in file names."""
        return f"{self.labels}-{self.unit}"


LEAKAGE_CONDITIONS = tuple(LeakageCondition(labels, unit) for labels in LABELS for unit in UNITS)


def leakage_cohort(config: Config) -> str:
    """Return the cohort of the experiment: the config's, else the target cohort, else the public one.

    Only a cohort whose patients are known can be split by patient. "" where there is none.
    """
    eligible = [name for name in cohorts_with_role(config, "target", "public") if _patients_known(config, name)]
    targets = [name for name in eligible if config["cohorts"][name]["role"] == "target"]
    return config["leakage"]["cohort"] or next(iter([*targets, *eligible]), "")


def _patients_known(config: Config, name: str) -> bool:
    return config["cohorts"][name]["patients"] == "known"


def leakage_pipelines(config: Config) -> list[Pipeline]:
    """List the pipelines of the experiment: the config's, else a small network on the first input view."""
    if not leakage_cohort(config):
        return []
    names: list[str] | None = config["leakage"]["pipelines"]
    if names is None:
        return [Pipeline(input_views_of(config)[0], *DEFAULT_NETWORK)]
    return [Pipeline.parse(name) for name in names]


def check_leakage(config: Config) -> None:
    """Raise UserError for a cohort, an input view or an architecture that the experiment cannot use."""
    cohort: str = config["leakage"]["cohort"]
    if cohort and cohort not in cohorts_with_role(config, "target", "public"):
        raise UserError(f"leakage.cohort: {cohort} is no cohort with role target or public.")
    if cohort and not _patients_known(config, cohort):
        raise UserError(f"leakage.cohort: patients of {cohort} are unknown, so it cannot be split by patient.")
    for pipeline in leakage_pipelines(config):
        if pipeline.input_view not in input_views_of(config):
            raise UserError(f"leakage.pipelines: {pipeline.name}: pipelines.frameworks has no {pipeline.input_view}.")
        check_architecture(pipeline.architecture, config)
        check_remedy(pipeline, config)
    epochs: int | None = config["leakage"]["epochs"]
    warmup: float = config["training"]["warmup_epochs"]
    if epochs is not None and epochs <= warmup:
        raise UserError(f"leakage.epochs: training.warmup_epochs ({warmup}) leaves nothing of {epochs}.")


def settings_of_leakage_training(config: Config, pipeline: str) -> dict[str, Any]:
    """Return the training settings of a pipeline: those of its stage 1, with the changes that `leakage` makes."""
    leakage: Config = config["leakage"]
    changed = {name: leakage[name] for name in CHANGED_SETTINGS if leakage[name] is not None}
    augmentation = {} if leakage["augmentation"] else {"augmentation": None}
    return settings_of_stage(config, pipeline, "1") | changed | augmentation
