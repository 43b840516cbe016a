"""One arm of the experiment: the training of a pipeline, and its predictions on the arm's own test side."""

from dataclasses import dataclass
from pathlib import Path

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
    """Whether every side has both classes. split: the table `split` of an arm."""
    return all(split.loc[split["split"] == side, "label"].nunique() == 2 for side in SUBSETS)


@dataclass(frozen=True)
class LeakageTraining:
    """What all arms of a pipeline share. settings: as a stage has them. code: digest that checkpoints depend on."""

    backbone: str
    start: Start
    positive: str
    settings: dict
    seed: int
    checkpoints: Path
    code: str

    def checkpoint(self, cohort: TrainingCohort, backbone: backbones.Backbone) -> Checkpoint:
        """An arm's checkpoint, tied to all that its training depends on."""
        described = describe_training(self.backbone, backbone, self.settings, self.seed, self.code)
        described |= {"weights": self.start.describe(), "inputs": cohort.digests(), "positive": self.positive}
        return Checkpoint.of(self.checkpoints / cohort.split.stem, described)


def train_condition(training: LeakageTraining, cohort: TrainingCohort) -> pd.DataFrame:
    """Train on an arm and predict its test side: `slice patient label probability`, empty where it cannot be tried.

    cohort: split table of the arm, cached images and their index. The training is the one of every stage, and resumes
    from its last finished epoch as those do.
    """
    split = read_table(cohort.split, "split")
    tested = split.loc[split["split"] == "test", ["slice", "patient", "label"]]
    if not can_be_trained(split):
        log(f"{cohort.split.stem}: too few patients, a side has one class only; this arm stays empty")
        return tested.iloc[:0].assign(probability=np.array([], dtype=np.float64))
    backbone, settings = backbones.load(training.backbone), training.settings
    sides = cohort.sides(training.positive, settings["image_size"])
    model, checkpoint = (
        training.start.build(training.backbone, backbone, settings),
        training.checkpoint(cohort, backbone),
    )
    plan = plan_of(settings, STAGE, training.seed, training.start.fine_tunes)
    train(model, backbone, objective_of(settings, sides[0]), *sides, plan, checkpoint)
    inference = make_inference(in_float32(model, backbone, settings), backbone)
    cached = CachedImages.open(cohort.images, cohort.index)
    outputs = run_in_batches(inference, cached.pixels, cached.rows_of(tested["slice"]))
    checkpoint.remove()
    return tested.assign(probability=outputs[:, 0].astype(np.float64))
