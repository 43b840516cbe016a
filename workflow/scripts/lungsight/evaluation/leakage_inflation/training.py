"""Train a pipeline under one condition, and predict the condition's own test subset."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.program import log
from lungsight.subsets import SUBSETS
from lungsight.tables import read_table
from lungsight.training import backbones
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import make_inference, run_in_batches
from lungsight.training.provenance import describe_training
from lungsight.training.stage_training import Start, TrainingCohort, in_float32, objective_of, plan_of, train

STAGE = 1


def can_be_trained(split: pd.DataFrame) -> bool:
    """Return whether every subset of a split table has all of its classes, two at least."""
    classes = max(2, split["label"].nunique())
    return all(split.loc[split["split"] == subset, "label"].nunique() == classes for subset in SUBSETS)


@dataclass(frozen=True)
class LeakageTraining:
    """What the trainings of one pipeline share.

    Attributes
    ----------
    backbone
        Name of the network.
    start
        What the network starts from.
    labels
        The classes of the run, the positive one first.
    settings
        Of the training, as a stage has them.
    seed
        Of the training.
    checkpoints
        Folder for unfinished trainings.
    code
        Digest of the code that checkpoints depend on.
    """

    backbone: str
    start: Start
    labels: Sequence[str]
    settings: dict[str, Any]
    seed: int
    checkpoints: Path
    code: str

    def checkpoint(self, cohort: TrainingCohort, backbone: backbones.Backbone) -> Checkpoint:
        """Return the checkpoint of one condition; it is tied to everything that the training depends on."""
        described = describe_training(self.backbone, backbone, self.settings, self.seed, self.code)
        described |= {"weights": self.start.describe(), "inputs": cohort.digests(), "labels": self.labels}
        return Checkpoint.of(self.checkpoints / cohort.split.stem, described)


def train_condition(training: LeakageTraining, cohort: TrainingCohort) -> pd.DataFrame:
    """Train under one condition and predict its test subset.

    The network is trained as in any stage, and an interrupted training resumes from its last finished epoch.

    Parameters
    ----------
    training
        What all conditions of the pipeline share.
    cohort
        Split table of the condition, cached images and their index.

    Returns
    -------
    slice, patient, label and probability, that of the first class; empty where a subset lacks a class, so that nothing
    can be trained.
    """
    split = read_table(cohort.split, "split")
    tested = split.loc[split["split"] == "test", ["slice", "patient", "label"]]
    if not can_be_trained(split):
        log(f"{cohort.split.stem}: too few patients, a subset lacks a class; this condition stays empty")
        return tested.iloc[:0].assign(probability=np.array([], dtype=np.float64))
    backbone, settings = backbones.load(training.backbone), training.settings
    classes = cohort.classes(training.labels)
    training_images, validation_images = cohort.subsets(classes, settings["image_size"])
    model = training.start.build(training.backbone, backbone, settings, classes)
    checkpoint = training.checkpoint(cohort, backbone)
    objective = objective_of(settings, training_images, classes, training.labels)
    plan = plan_of(settings, STAGE, training.seed, training.start.fine_tunes)
    train(model, backbone, objective, training_images, validation_images, plan, checkpoint)
    inference = make_inference(in_float32(model, backbone, settings), backbone)
    cached = CachedImages.open(cohort.images, cohort.index)
    outputs = run_in_batches(inference, cached.pixels, cached.rows_of(tested["slice"]))
    checkpoint.remove()
    return tested.assign(probability=outputs[:, 0].astype(np.float64))
