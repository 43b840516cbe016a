"""Predict slices with a trained model, and draw where it looks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import pandas as pd

from lungsight.classes import PREDICTED, Classes, class_columns, with_probabilities
from lungsight.evaluation.class_metrics import decide
from lungsight.explain.explanation import SliceImages, explain_slices
from lungsight.explain.gradcam import PRIMARY, GradCam, primary_target
from lungsight.predict.network import PredictionNetwork
from lungsight.training.backbones import Backbone
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import to_input

PREDICTED_COLUMNS = ("probability", "reason", "lung_mass", "enrichment")
EXPLAINED_COLUMNS = ("explained", "explained_probability")  # with more than two classes


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
    classes: Classes,
    labels: Sequence[str],
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
    classes, labels
        Those that the network tells apart, and those of its run.
    iou_level
        Threshold of the map for the intersection over union with the lung.
    """
    rows = images.rows_of(slices["slice"])
    pixels, lungs = np.asarray(images.pixels[rows]), np.asarray(masks.pixels[rows]) > 0
    if slices.empty:
        many = [] if classes.sigmoid else [*class_columns(len(labels)), PREDICTED, *EXPLAINED_COLUMNS]
        nothing = slices.assign(**dict.fromkeys((*PREDICTED_COLUMNS, *many)))
        return SlicePredictions(nothing, np.zeros((0, 0)), pixels)
    outputs, features = PredictionNetwork(model, backbone)(images.pixels, rows)
    predicted = _with_classes(slices, outputs, classes, labels)
    shown = SliceImages(
        predicted,
        pixels,
        lungs,
        has_mask=masks.mask_exists(rows),
        accepted=slices["slice"].isin(accepted).to_numpy(),
        scores=None if classes.sigmoid else outputs,
    )
    explainer = GradCam(model, {PRIMARY: primary_target(backbone.explained_layer)})
    explained = explain_slices(explainer, shown, partial(to_input, backbone), classes, iou_level)[PRIMARY]
    columns = PREDICTED_COLUMNS if classes.sigmoid else (*PREDICTED_COLUMNS, *EXPLAINED_COLUMNS)
    found = {name: explained.table[name] for name in columns}
    return SlicePredictions(predicted.assign(**found), features, explained.maps)


def _with_classes(slices: pd.DataFrame, outputs: np.ndarray, classes: Classes, labels: Sequence[str]) -> pd.DataFrame:
    """Write the probabilities of slices into their table, and with more than two classes the predicted one."""
    if classes.sigmoid:
        return slices.assign(probability=outputs[:, 0])
    probabilities = classes.spread(outputs, labels)
    predicted = np.array(labels, dtype=object)[decide(probabilities)]
    return with_probabilities(slices, probabilities).assign(**{PREDICTED: predicted})
