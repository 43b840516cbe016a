"""What the config says about the price of leakage, checked while the workflow is parsed: standard library alone."""

from typing import NamedTuple

from lungsight.config import cohorts_with_role
from lungsight.errors import UserError
from lungsight.training.pipelines import Pipeline, check_word, input_views_of
from lungsight.training.settings import settings_of_stage

PROBE = ("small_cnn", "scratch")
OWN_SETTINGS = ("epochs", "learning_rate", "batch_size", "batch_norm_recalibration")
LABELS = ("true", "shuffled")
UNITS = ("slice", "patient")


class LeakageCondition(NamedTuple):
    """One training of the experiment: which labels it learns, and what it is split by."""

    labels: str
    unit: str

    @property
    def name(self) -> str:
        return f"{self.labels}-{self.unit}"


LEAKAGE_CONDITIONS = tuple(LeakageCondition(labels, unit) for labels in LABELS for unit in UNITS)


def leakage_cohort(config: dict) -> str:
    """The cohort of the experiment: the config's, else the target cohort, else the public one; "" where there is none.

    Its patients must be known: without them nothing can be split by patient.
    """
    known = [name for name in cohorts_with_role(config, "target", "public") if _patients_known(config, name)]
    known.sort(key=lambda name: config["cohorts"][name]["role"] != "target")
    return config["leakage"]["cohort"] or next(iter(known), "")


def _patients_known(config: dict, name: str) -> bool:
    return config["cohorts"][name]["patients"] == "known"


def leakage_pipelines(config: dict) -> list[Pipeline]:
    """The pipelines of the experiment: the config's, else a small network in its first framework."""
    if not leakage_cohort(config):
        return []
    names = config["leakage"]["pipelines"]
    if names is None:
        return [Pipeline(input_views_of(config)[0], *PROBE)]
    return [Pipeline.parse(name) for name in names]


def check_leakage(config: dict) -> None:
    """Raise UserError for a cohort, framework or backbone that cannot be priced."""
    cohort = config["leakage"]["cohort"]
    if cohort and cohort not in cohorts_with_role(config, "target", "public"):
        raise UserError(f"leakage.cohort: {cohort} is no cohort with role target or public.")
    if cohort and not _patients_known(config, cohort):
        raise UserError(f"leakage.cohort: patients of {cohort} are unknown, so it cannot be split by patient.")
    for pipeline in leakage_pipelines(config):
        if pipeline.input_view not in input_views_of(config):
            raise UserError(f"leakage.pipelines: {pipeline.name}: pipelines.frameworks has no {pipeline.input_view}.")
        check_word(pipeline.architecture, config)
    epochs, warmup = config["leakage"]["epochs"], config["training"]["warmup_epochs"]
    if epochs is not None and epochs <= warmup:
        raise UserError(f"leakage.epochs: training.warmup_epochs ({warmup}) leaves nothing of {epochs}.")


def settings_of_leakage_training(config: dict, pipeline: str) -> dict:
    """Training settings of a priced pipeline: those of its stage 1, with what `leakage` sets otherwise."""
    own = config["leakage"]
    changed = {name: own[name] for name in OWN_SETTINGS if own[name] is not None}
    return settings_of_stage(config, pipeline, "1") | changed | ({} if own["augmentation"] else {"augmentation": None})
