"""Predict slices, and patients, with a trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.bags import group_numbers, in_two_parts, mean_by_group, numpy_head
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import load_classifier, make_inference, run_in_batches
from lungsight.training.pipelines import PATIENT_PREDICTION
from lungsight.training.provenance import bag_size_of, check_images


def predict_slices(model: Path, provenance: dict[str, Any], split: pd.DataFrame, images: CachedImages) -> pd.DataFrame:
    """Make the prediction table of a cohort.

    A model that was trained on bags also predicts patients: each from all of their slices in one subset.

    Parameters
    ----------
    model
        model.keras.
    provenance
        Its provenance.json.
    split
        The cohort's split table.
    images
        The cohort's cached images.

    Returns
    -------
    The rows of the split, in its order, with `probability`: the raw sigmoid as float64. From a model that was trained
    on bags also with PATIENT_PREDICTION.

    Raises
    ------
    UserError
        The model, by its provenance, takes other images, or a probability is not a number.
    """
    backbone = backbones.load(provenance["backbone"])
    check_images(provenance, backbone.preprocessing, images.size)
    rows = images.rows_of(split["slice"])
    network = load_classifier(model)
    table = split[["slice", "patient", "label", "split"]]
    if bag_size_of(provenance) == 1:
        probability = run_in_batches(make_inference(network, backbone), images.pixels, rows)[:, 0].astype(np.float64)
        table = table.assign(probability=probability)
    else:
        features, head = in_two_parts(network)[0], numpy_head(network)
        pooled = run_in_batches(make_inference(features, backbone), images.pixels, rows)
        patients = group_numbers(table["patient"], table["label"], table["split"])
        of_patients = head(mean_by_group(pooled, patients))[:, 0]
        table = table.assign(probability=head(pooled)[:, 0], **{PATIENT_PREDICTION: of_patients[patients]})
    if not np.isfinite(table["probability"]).all():
        raise UserError("The model's probability is not a number for some slices: its training diverged.")
    return table
