"""Predictions of a trained model."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.evaluation.metrics import PATIENT_PREDICTION
from lungsight.training import backbones
from lungsight.training.bags import in_two_parts, mean_by_group, numbered, numpy_head
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import make_inference, run_in_batches
from lungsight.training.provenance import bag_size_of, check_images


def classify_slices(model: Path, provenance: dict, split: pd.DataFrame, images: CachedImages) -> pd.DataFrame:
    """The rows of a split with `probability`, the raw sigmoid as float64, in the split's order.

    A model that was trained on bags also answers patients, each from all slices on one side together: OWN_ANSWER.
    Raises UserError when the model, by its provenance, takes other images, or gives no number.
    """
    backbone = backbones.load(provenance["backbone"])
    check_images(provenance, backbone.preprocessing, images.size)
    rows = images.rows_of(split["slice"])
    network = keras.models.load_model(model, compile=False)
    table = split[["slice", "patient", "label", "split"]]
    if bag_size_of(provenance) == 1:
        probability = run_in_batches(make_inference(network, backbone), images.pixels, rows)[:, 0].astype(np.float64)
        table = table.assign(probability=probability)
    else:
        features, head = in_two_parts(network)[0], numpy_head(network)
        pooled = run_in_batches(make_inference(features, backbone), images.pixels, rows)
        patients = numbered(table["patient"], table["label"], table["split"])
        of_patients = head(mean_by_group(pooled, patients))[:, 0]
        table = table.assign(probability=head(pooled)[:, 0], **{PATIENT_PREDICTION: of_patients[patients]})
    if not np.isfinite(table["probability"]).all():
        raise UserError("The model's probability is not a number for some slices: its training diverged.")
    return table
