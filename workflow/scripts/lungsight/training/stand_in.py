"""Pre-train stand-ins for ImageNet weights on generated textures, where ImageNet weights are not available."""

from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from lungsight.files import atomic_path
from lungsight.training.backbones import Backbone
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import weighted_categorical_crossentropy
from lungsight.training.network import set_batch_norm_momentum
from lungsight.training.textures import CLASSES, draw_textures
from lungsight.training.weights import write_sidecar

LEARNING_RATE = 5e-4
VALIDATION_SHARE = 0.125


def pretrain(backbone: Backbone, settings: dict[str, Any], seed: int) -> keras.Model:
    """Train the backbone to classify textures, and return it without the classifier.

    Parameters
    ----------
    backbone
        The network.
    settings
        images, epochs, batch_size, batch_norm_momentum, and size: rows and columns of a texture, raised to the smallest
        size that the backbone takes.
    seed
        Of the textures and the training.
    """
    size = max(settings["size"], backbone.min_size)
    pixels, classes = draw_textures(settings["images"], size, seed)
    base = backbone.build(size)
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    model = keras.Model(base.input, keras.layers.Dense(len(CLASSES))(pooled))
    set_batch_norm_momentum(model, settings["batch_norm_momentum"])
    rows = np.arange(len(pixels))
    held_out = rows < max(1, round(VALIDATION_SHARE * len(rows)))
    training, validation = (LabelledImages(pixels, rows[subset], classes[subset]) for subset in (~held_out, held_out))
    plan = TrainingPlan(settings["epochs"], settings["batch_size"], LEARNING_RATE, seed, recalibrate=True)
    objective = partial(weighted_categorical_crossentropy, smoothing=0.0, class_weights=[1.0] * len(CLASSES))
    fit(model, backbone, objective, training, validation, plan)
    return base


def save_weights(base: keras.Model, path: Path) -> None:
    """Write the weights (<name>.weights.h5) and the SHA-256 beside them."""
    with atomic_path(path) as temporary:
        base.save_weights(temporary)
    write_sidecar(path)
