"""One stage of a pipeline: the images and labels of its cohort, the network it starts from, the training itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from lungsight.errors import UserError
from lungsight.files import read_json, sha256_of
from lungsight.program import log
from lungsight.tables import read_table
from lungsight.training.backbones import Backbone
from lungsight.training.bags import numbered
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import check_gpu
from lungsight.training.fit import LabelledImages, TrainingPlan
from lungsight.training.image_cache import CachedImages
from lungsight.training.losses import LOSSES, Objective
from lungsight.training.network import build_classifier, load_weights, logits_of, precision
from lungsight.training.provenance import check_parent
from lungsight.training.solvers import SOLVERS
from lungsight.training.weights import WeightsFile


@dataclass(frozen=True)
class TrainingCohort:
    """The files that a stage is trained on: split table, image array, and the array's index."""

    split: Path
    images: Path
    index: Path

    def sides(self, positive: str, image_size: int) -> tuple[LabelledImages, LabelledImages]:
        """Training and validation images; label 1 is `positive`. Raises UserError for an empty side, other sizes."""
        cached = CachedImages.open(self.images, self.index)
        if cached.size != image_size:
            raise UserError(f"The cached images have {cached.size} rows, training.image_size is {image_size}.")
        table = read_table(self.split, "split")
        return _side(table, "train", positive, cached), _side(table, "val", positive, cached)

    def digests(self) -> dict[str, str]:
        """SHA-256 of each file."""
        return {name: sha256_of(path) for name, path in vars(self).items()}


def _side(table: pd.DataFrame, side: str, positive: str, cached: CachedImages) -> LabelledImages:
    rows = table[table["split"] == side]
    if rows.empty:
        raise UserError(f"The split has no {side} slice: nothing can be trained. Check splits.fractions.")
    labels = (rows["label"] == positive).to_numpy(int)
    return LabelledImages(cached.pixels, cached.rows_of(rows["slice"]), labels, numbered(rows["patient"], labels))


@dataclass(frozen=True)
class Start:
    """Where a network starts from: nothing, weights of the backbone, or the parent model with its provenance."""

    weights: WeightsFile | None = None
    parent: Path | None = None
    parent_provenance: Path | None = None

    def describe(self) -> dict[str, Any]:
        """As provenance.json has it: kind, the file's SHA-256, and the kind that the first stage started from (origin).

        kind is "scratch", "imagenet", "stand-in" or "parent"; origin is never "parent".
        """
        if self.parent is not None:
            origin = read_json(self.parent_provenance)["weights"]["origin"]
            return {"kind": "parent", "sha256": sha256_of(self.parent), "origin": origin}
        if self.weights is not None:
            return {"kind": self.weights.kind, "sha256": self.weights.sha256, "origin": self.weights.kind}
        return {"kind": "scratch", "sha256": None, "origin": "scratch"}

    @property
    def fine_tunes(self) -> bool:
        """Whether there is something to start from."""
        return self.parent is not None or self.weights is not None

    def build(self, name: str, backbone: Backbone, settings: dict) -> keras.Model:
        """The network with these weights, in the precision that it trains in. Raises UserError when they do not fit."""
        weights = self.weights.checked() if self.weights else None
        if self.parent is not None:
            check_parent(self.parent_provenance, name, backbone.preprocessing, settings["image_size"])
        with precision(settings["precision"]):
            model = build_classifier(backbone, settings, weights)
        if self.parent is not None:
            load_weights(model, self.parent, what="the model of stage 1")
        return model


def plan_of(settings: dict, stage: int, seed: int, fine_tunes: bool) -> TrainingPlan:
    """The training plan of a stage. settings: the config's `training`, epochs and learning_rate of this stage alone.

    fine_tunes: the training starts from weights, so that batch normalisation has statistics to freeze.
    """
    freeze = fine_tunes and settings["batch_norm_frozen"]
    return TrainingPlan(
        epochs=settings["epochs"],
        batch_size=settings["batch_size"],
        learning_rate=settings["learning_rate"],
        seed=seed,
        stage=stage,
        augmentation=settings["augmentation"],
        recalibrate=settings["batch_norm_recalibration"] and not freeze,
        freeze_batch_norm=freeze,
        weight_decay=settings["weight_decay"],
        schedule=settings["learning_rate_schedule"],
        warmup_epochs=settings["warmup_epochs"],
        patience=settings["early_stopping"],
        bag_size=settings["bag_size"],
        solver=settings["solver"],
        elm_c=settings["elm_c"],
    )


def objective_of(settings: dict, training: LabelledImages) -> Objective:
    """What a training minimises, by the config's words. settings: the config's `training`."""
    return LOSSES[settings["loss"]](training.labels, settings)


def in_float32(model: keras.Model, backbone: Backbone, settings: dict) -> keras.Model:
    """The same network computing in float32: predictions and maps do not depend on the precision of the training."""
    if settings["precision"] == "float32":
        return model
    same = build_classifier(backbone, settings)
    same.set_weights(model.get_weights())
    return same


def what_came_of(history: list[dict]) -> dict[str, Any]:
    """As provenance.json has it: epochs done, the epoch whose weights were kept, and what stopped the training."""
    kept = next(row["epoch"] for row in history if row["kept"])
    return {"epochs": len(history), "kept_epoch": kept, "stopped": history[-1]["stopped"]}


def train(
    model: keras.Model,
    backbone: Backbone,
    objective: Objective,
    training: LabelledImages,
    validation: LabelledImages,
    plan: TrainingPlan,
    checkpoint: Checkpoint,
) -> list[dict]:
    """Train the classifier in place on its logit, by the plan's solver; returns the history.

    Raises UserError without the GPU that was asked for.
    """
    check_gpu()
    log(f"{len(training)} training and {len(validation)} validation images, at most {plan.epochs} epochs")
    return SOLVERS[plan.solver](logits_of(model), backbone, objective, training, validation, plan, checkpoint)
