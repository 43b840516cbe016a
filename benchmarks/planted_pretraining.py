"""Train what some models on planted slices need first: generators of slices, and start weights without labels.

The settings fit 192 training slices of 64 x 64 and about a minute of processor time. They were chosen on seed 1.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import keras
import numpy as np

from benchmarks.planted_truth import BACKBONE, CLASSES, HEAD
from lungsight.config import config_schema, with_defaults
from lungsight.training import backbones, remedies
from lungsight.training.augmentation import generator
from lungsight.training.dcgan import SIDE, STAGE, Adversaries, train
from lungsight.training.generated import EVERY_CLASS, slices_of_class
from lungsight.training.labelled_images import JoinedImages, LabelledImages
from lungsight.training.settings import OF_PRETRAINING, SIMSIAM
from lungsight.training.simsiam import Siamese, pretrain
from lungsight.training.stand_in import save_weights

TRAINING = with_defaults({}, config_schema()["properties"]["training"])
GENERATOR = {"filters": 16, "batch": 16, "steps": 400, "precision": "float32"}
PRETRAINING = (
    {name: TRAINING[name] for name in OF_PRETRAINING}
    | TRAINING[SIMSIAM]
    | {name: HEAD[name] for name in OF_PRETRAINING if name in HEAD}
    | {"epochs": 10, "batch_size": 32, "learning_rate": 2.0, "projector": 128, "predictor": 32}
)


def generated_for(remedy: str, training: LabelledImages, seed: int) -> LabelledImages | None:
    """Draw slices for a remedy that needs them, by a generator of each class or by one for all.

    Parameters
    ----------
    remedy
        A word of the table; None is returned for one that needs none.
    training
        The images that the model is trained on.
    seed
        Of everything that is drawn.
    """
    if remedy not in remedies.names() or remedies.GENERATED not in remedies.load(remedy).needs:
        return None
    by_class = remedies.load(remedy).generator_of_each_class
    names = CLASSES.names if by_class else (EVERY_CLASS,)
    n = TRAINING["remedies"][remedy]["samples"]
    drawn = [
        draw_slices(slices_of_class(training, CLASSES, name, SIDE).tobytes(), n, seed, number)
        for number, name in enumerate(names)
    ]
    labels = [-1 if name == EVERY_CLASS else int(name == CLASSES.positive) for name in names]
    return LabelledImages(np.concatenate(drawn), np.arange(n * len(names)), np.repeat(labels, n))


@lru_cache(maxsize=8)
def draw_slices(slices: bytes, n: int, seed: int, number: int) -> np.ndarray:
    """Train a generator and draw n slices (n, 64, 64) uint8 from it. Scenarios with the same slices share it.

    Parameters
    ----------
    slices
        The pixels of (m, 64, 64) uint8, as bytes: by them it is known what was trained before.
    n
        How many to draw.
    seed, number
        Of the run, and of the class.
    """
    keras.utils.set_random_seed(seed)
    both = Adversaries.of(GENERATOR["filters"], GENERATOR["precision"])
    train(both, np.frombuffer(slices, np.uint8).reshape(-1, SIDE, SIDE), GENERATOR, seed)
    return both.draw(n, generator(seed, STAGE, 0, number))


def pretrained_weights(cohorts: Sequence[LabelledImages], seed: int, folder: Path) -> Path:
    """Pre-train the small network on the images of these cohorts by SimSiam. Return the file of its weights."""
    keras.utils.set_random_seed(seed)
    backbone = backbones.load(BACKBONE)
    siamese = Siamese.of(backbone, PRETRAINING)
    pretrain(siamese, backbone, JoinedImages(tuple(cohorts)), PRETRAINING, seed)
    weights = folder / f"{BACKBONE}.weights.h5"
    save_weights(siamese.base, weights)
    return weights
