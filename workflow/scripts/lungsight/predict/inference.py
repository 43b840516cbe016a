"""What a model says of slices, and where it looks."""

from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import pandas as pd

from lungsight.explain.explanation import SliceImages, explain_slices
from lungsight.explain.gradcam import PRIMARY, GradCam, primary_target
from lungsight.predict.network import PredictionNetwork
from lungsight.training.backbones import Backbone
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import to_input

SAID = ("probability", "reason", "lung_mass", "enrichment")


@dataclass(frozen=True)
class Answer:
    """Of n slices: a table with the columns of SAID beside its own; features (n, channels); raw maps (n, h, w)."""

    slices: pd.DataFrame
    features: np.ndarray
    maps: np.ndarray


def ask(
    model: keras.Model,
    backbone: Backbone,
    slices: pd.DataFrame,
    images: CachedImages,
    masks: CachedImages,
    positive: str,
    iou_level: float,
) -> Answer:
    """Ask a model about slices, a table as `slices`, whose images and lung masks are cached. There may be none."""
    rows = images.rows_of(slices["slice"])
    pixels, lungs = np.asarray(images.pixels[rows]), np.asarray(masks.pixels[rows]) > 0
    if slices.empty:
        return Answer(slices.assign(**dict.fromkeys(SAID)), np.zeros((0, 0)), pixels)
    probability, features = PredictionNetwork(model, backbone)(images.pixels, rows)
    shown = SliceImages(slices.assign(probability=probability), pixels, lungs, has_mask=masks.mask_exists(rows))
    explainer = GradCam(model, {PRIMARY: primary_target(backbone.explained_layer)})
    explained = explain_slices(explainer, shown, partial(to_input, backbone), positive, iou_level)[PRIMARY]
    said = {name: explained.table[name] for name in SAID}
    return Answer(slices.assign(**said), features, explained.maps)
