"""Predict slices with a trained model, and draw where it looks."""

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

PREDICTED_COLUMNS = ("probability", "reason", "lung_mass", "enrichment")


@dataclass(frozen=True)
class SlicePredictions:
    """Predictions of n slices.

    Attributes
    ----------
    slices
        The table `new_slice_predictions`.
    features : (n, channels) float64
    maps : (n, h, w) float32
        Raw Grad-CAM maps.
    """

    slices: pd.DataFrame
    features: np.ndarray
    maps: np.ndarray


def predict_slices(
    model: keras.Model,
    backbone: Backbone,
    slices: pd.DataFrame,
    images: CachedImages,
    masks: CachedImages,
    accepted: pd.Index,
    positive: str,
    iou_level: float,
) -> SlicePredictions:
    """Predict slices and explain them with Grad-CAM. There may be no slice.

    Parameters
    ----------
    slices
        The table `slices`, of the slices to predict.
    images, masks
        Cached images and lung masks of these slices.
    accepted
        Names of the slices whose lung mask passed quality control. On the others no map is measured.
    positive
        Name of the positive class.
    iou_level
        Threshold of the map for the intersection over union with the lung.
    """
    rows = images.rows_of(slices["slice"])
    pixels, lungs = np.asarray(images.pixels[rows]), np.asarray(masks.pixels[rows]) > 0
    if slices.empty:
        return SlicePredictions(slices.assign(**dict.fromkeys(PREDICTED_COLUMNS)), np.zeros((0, 0)), pixels)
    probability, features = PredictionNetwork(model, backbone)(images.pixels, rows)
    shown = SliceImages(
        slices.assign(probability=probability),
        pixels,
        lungs,
        has_mask=masks.mask_exists(rows),
        accepted=slices["slice"].isin(accepted).to_numpy(),
    )
    explainer = GradCam(model, {PRIMARY: primary_target(backbone.explained_layer)})
    explained = explain_slices(explainer, shown, partial(to_input, backbone), positive, iou_level)[PRIMARY]
    table = slices.assign(**{name: explained.table[name] for name in PREDICTED_COLUMNS})
    return SlicePredictions(table, features, explained.maps)
