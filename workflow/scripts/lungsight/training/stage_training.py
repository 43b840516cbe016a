"""Train one stage of a pipeline: read its cohort, build the network that it starts from, train it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from lungsight.classes import Classes
from lungsight.errors import UserError
from lungsight.files import read_json, sha256_of
from lungsight.layout import MODEL, PROVENANCE
from lungsight.program import log
from lungsight.tables import read_table
from lungsight.training import remedies
from lungsight.training.backbones import Backbone
from lungsight.training.bags import group_numbers
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.device import check_gpu
from lungsight.training.fit import TrainingPlan
from lungsight.training.image_cache import CachedImages, digest_of_images
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import CATEGORICAL_LOSSES, LOSSES, Objective
from lungsight.training.network import (
    PLAIN,
    Architecture,
    build_classifier,
    copy_weights,
    load_weights,
    logits_of,
    precision,
)
from lungsight.training.provenance import check_parent
from lungsight.training.solvers import CLOSED_FORM, SOLVERS
from lungsight.training.treatment import Treatment
from lungsight.training.weights import WeightsFile, read_sidecar


@dataclass(frozen=True)
class TrainingCohort:
    """The files that a stage is trained on: split table, image array, and the index of the array."""

    split: Path
    images: Path
    index: Path

    def classes(self, labels: Iterable[str]) -> Classes:
        """Return the classes that the cohort trains, in the order of the config's `labels`."""
        table = read_table(self.split, "split")
        return Classes.of(labels).among(table.loc[table["split"] == "train", "label"])

    def subsets(self, classes: Classes, image_size: int) -> tuple[LabelledImages, LabelledImages]:
        """Read the training and the validation images.

        Parameters
        ----------
        classes
            They number the labels.
        image_size
            Rows and columns that the images must have.

        Raises
        ------
        UserError
            A subset is empty, or the images have another size.
        """
        cached = CachedImages.open(self.images, self.index)
        if cached.size != image_size:
            raise UserError(f"The cached images have {cached.size} rows, training.image_size is {image_size}.")
        table = read_table(self.split, "split")
        return _labelled(table, "train", classes, cached), _labelled(table, "val", classes, cached)

    def training_images(self, classes: Classes) -> LabelledImages:
        """Read the training images of some classes."""
        table = read_table(self.split, "split")
        return _labelled(
            table[table["label"].isin(classes.names)], "train", classes, CachedImages.open(self.images, self.index)
        )

    def digests(self) -> dict[str, str]:
        """Compute the SHA-256 of each file; of the images, that of their array as one file."""
        images = digest_of_images(self.images, self.index)
        return {"split": sha256_of(self.split), "images": images, "index": sha256_of(self.index)}


def _labelled(table: pd.DataFrame, subset: str, classes: Classes, cached: CachedImages) -> LabelledImages:
    rows = table[table["split"] == subset]
    if rows.empty:
        raise UserError(f"The split has no {subset} slice: nothing can be trained. Check splits.fractions.")
    labels = classes.numbers_of(rows["label"])
    return LabelledImages(cached.pixels, cached.rows_of(rows["slice"]), labels, group_numbers(rows["patient"], labels))


def architecture_of(settings: dict[str, Any]) -> Architecture:
    """Return what the remedy of a training, by its settings, changes of the network."""
    remedy = settings.get("remedy", {})
    make = remedies.load(remedy.get("name", "")).architecture
    return make(remedy) if make else PLAIN


@dataclass(frozen=True)
class Start:
    """What a network starts from: nothing, weights of the backbone, or the parent model with its provenance."""

    weights: WeightsFile | None = None
    parent: Path | None = None
    parent_provenance: Path | None = None

    @classmethod
    def of(cls, described: dict[str, Any]) -> "Start":
        """Make the start that `settings.start_of` describes."""
        if "parent" in described:
            parent = Path(described["parent"])
            return cls(None, parent / MODEL, parent / PROVENANCE)
        if "weights" in described:
            weights = Path(described["weights"])
            return cls(WeightsFile(weights, described["kind"], described["sha256"] or read_sidecar(weights)))
        return cls()

    def describe(self) -> dict[str, Any]:
        """Describe the start as provenance.json has it.

        Returns
        -------
        kind
            "scratch", "imagenet", "stand-in", "simsiam" or "parent".
        sha256
            Of the file.
        origin
            The kind that stage 1 started from; never "parent".
        """
        if self.parent is not None and self.parent_provenance is not None:
            origin = read_json(self.parent_provenance)["weights"]["origin"]
            return {"kind": "parent", "sha256": sha256_of(self.parent), "origin": origin}
        if self.weights is not None:
            return {"kind": self.weights.kind, "sha256": self.weights.sha256, "origin": self.weights.kind}
        return {"kind": "scratch", "sha256": None, "origin": "scratch"}

    @property
    def fine_tunes(self) -> bool:
        """Whether the network starts from weights."""
        return self.parent is not None or self.weights is not None

    def build(
        self, name: str, backbone: Backbone, settings: dict[str, Any], classes: Classes | None = None
    ) -> keras.Model:
        """Build the network with these weights, in its training precision.

        Where the parent tells other classes apart, the head is made anew. Outputs of shared classes keep their weights.

        Parameters
        ----------
        name
            Of the backbone.
        classes
            That the network tells apart; None for the two of one logit.

        Raises
        ------
        UserError
            The weights do not fit.
        """
        outputs, architecture = classes.outputs if classes else 1, architecture_of(settings)
        weights = self.weights.checked() if self.weights else None
        if self.parent_provenance is not None:
            check_parent(self.parent_provenance, name, backbone.preprocessing, settings["image_size"])
        with precision(settings["precision"]):
            model = build_classifier(backbone, settings, weights, outputs, architecture)
        learned = self.learned_classes()
        if self.parent is None:
            return model
        if classes is None or learned is None or learned == classes.names:
            load_weights(model, self.parent, content="the model of stage 1")
            return model
        with precision(settings["precision"]):
            parent = build_classifier(backbone, settings, outputs=len(learned), architecture=architecture)
        load_weights(parent, self.parent, content="the model of stage 1")
        columns = [(place, learned.index(each)) for place, each in enumerate(classes.names) if each in learned]
        copy_weights(model, parent, columns)
        return model

    def learned_classes(self) -> tuple[str, ...] | None:
        """Return the classes of the parent, by its provenance; None without a parent, and for one with a sigmoid."""
        if self.parent_provenance is None:
            return None
        learned = read_json(self.parent_provenance).get("classes")
        return tuple(learned) if learned else None


def plan_of(settings: dict[str, Any], stage: int, seed: int, fine_tunes: bool) -> TrainingPlan:
    """Make the training plan of a stage.

    Parameters
    ----------
    settings
        As `training.settings.settings_of_stage` returns them.
    stage
        1 or 2.
    seed
        Of the run.
    fine_tunes
        Whether the training starts from weights: then batch normalisation has statistics to freeze.
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


def objective_of(
    settings: dict[str, Any], training: LabelledImages, classes: Classes | None = None, labels: Sequence[str] = ()
) -> Objective:
    """Return the configured loss.

    Parameters
    ----------
    settings
        The config's `training` section.
    training
        For the class weights.
    classes
        That the network tells apart; None for the two of one logit.
    labels
        All classes of the run, in whose order `training.class_costs` are.
    """
    if classes is None or classes.sigmoid:
        return LOSSES[settings["loss"]](training.labels, settings)
    costs = costs_among(settings["class_costs"], [labels.index(name) for name in classes.names])
    return CATEGORICAL_LOSSES[settings["loss"]](training.labels, {**settings, "class_costs": costs}, len(classes))


def costs_among(costs: list[Any] | None, places: Sequence[int]) -> list[Any] | None:
    """Keep the costs of the classes at these places, of a list or a matrix of costs."""
    if costs is None:
        return None
    kept = [costs[place] for place in places]
    return [[row[place] for place in places] for row in kept] if isinstance(kept[0], list) else kept


def describe_classes(start: Start, classes: Classes) -> dict[str, Any]:
    """Describe the classes of a network as provenance.json has them; nothing in a run of two classes.

    Returns
    -------
    classes
        That the network tells apart, in the order of its outputs.
    head
        Where the parent tells other classes apart: the classes whose weights were `kept`, those that are `new`, and
        those that were `dropped`. Else null.
    """
    if classes.sigmoid:
        return {}
    learned, head = start.learned_classes(), None
    if learned not in (None, classes.names):
        head = {
            "kept": [name for name in classes.names if name in learned],
            "new": [name for name in classes.names if name not in learned],
            "dropped": [name for name in learned if name not in classes.names],
        }
    return {"classes": list(classes.names), "head": head}


def in_float32(model: keras.Model, backbone: Backbone, settings: dict[str, Any]) -> keras.Model:
    """Return the same network computing in float32, so that predictions and maps have full precision."""
    if settings["precision"] == "float32":
        return model
    outputs, architecture = model.output_shape[-1], architecture_of(settings)
    same = build_classifier(backbone, settings, outputs=outputs, architecture=architecture)
    same.set_weights(model.get_weights())
    return same


def training_outcome(history: list[dict[str, Any]]) -> dict[str, Any]:
    """Return epochs, kept_epoch (whose weights the model has) and stopped (why it ended), for provenance.json."""
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
    treatment: Treatment | None = None,
) -> list[dict[str, Any]]:
    """Train the classifier in place on its logit, by the plan's solver; returns the history, a row per epoch.

    treatment: what a remedy changes in training; only gradient descent takes one.

    Raises
    ------
    UserError
        The config asks for a GPU, and there is none.
    """
    check_gpu()
    log(f"{len(training)} training and {len(validation)} validation images, at most {plan.epochs} epochs")
    settings = {} if treatment is None or plan.solver == CLOSED_FORM else {"treatment": treatment}
    solve = SOLVERS[plan.solver]
    return solve(logits_of(model), backbone, objective, training, validation, plan, checkpoint, **settings)
