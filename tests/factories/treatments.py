"""What treatments of a training step are tried on: noise as images, boxes as lungs, a small network."""

import keras
import numpy as np
import tensorflow as tf

from lungsight.config import config_schema, with_defaults
from lungsight.training import backbones
from lungsight.training.augmentation import no_augmentation
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.network import build_classifier, logits_of
from lungsight.training.stage_training import architecture_of
from lungsight.training.treatment import Batch, Draw, Material, Treatment

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.5}
BACKBONE = backbones.load("small_cnn")
DEFAULTS = with_defaults({}, config_schema()["properties"]["training"]["properties"]["remedies"])
PATIENTS, SLICES = 6, 3


def lungs() -> np.ndarray:
    """Boxes of several sizes, one for each slice."""
    masks = np.zeros((PATIENTS * SLICES, SIZE, SIZE), np.uint8)
    for number, mask in enumerate(masks):
        mask[4 : 9 + number % 3, 3 : 8 + number % 4] = 1
    return masks


def material(name: str, **settings: object) -> Material:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(PATIENTS), SLICES)
    n = len(patients)
    pixels = rng.integers(0, 256, (n, SIZE, SIZE), dtype=np.uint8)
    chosen = {"name": name} | DEFAULTS.get(name, {}) | settings
    sources = np.array(["a", "b", "a", "b", "b", "a"])[patients]
    # Another cohort of the same patients' kind, brighter, so that its images have other statistics.
    others = rng.integers(100, 256, (n, SIZE, SIZE), dtype=np.uint8)
    companion = LabelledImages(others, np.arange(n), patients % 2, patients)
    accepted = np.ones(n, dtype=bool)
    generated = LabelledImages(rng.integers(0, 256, (8, 64, 64), dtype=np.uint8), np.arange(8), np.arange(8) % 2)
    return Material(
        *(chosen, BACKBONE, pixels, np.arange(n), patients % 2, patients, lungs(), accepted, sources, companion),
        generated=generated,
    )


def new_model(remedy: str = "") -> keras.Model:
    keras.utils.set_random_seed(1)
    architecture = architecture_of({"remedy": {"name": remedy} | DEFAULTS.get(remedy, {})})
    return logits_of(build_classifier(BACKBONE, SETTINGS, architecture=architecture))


def draw(chosen: list[int], seed: int = 0, progress: float = 0.0) -> Draw:
    return Draw(np.array(chosen), np.random.default_rng(seed), progress)


def batch_for(treatment: Treatment, source: Material, chosen: list[int], progress: float = 1.0) -> Batch:
    extras = tuple(map(tf.constant, treatment.extras(draw(chosen, progress=progress))))
    pictures = tf.constant(source.pixels[chosen], tf.float32)
    transforms, _ = no_augmentation(len(chosen))
    return Batch(pictures, tf.constant(source.labels[chosen], tf.int32), tf.constant(transforms), extras)
