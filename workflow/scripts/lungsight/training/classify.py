"""Predictions of a trained model."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import make_inference, run_in_batches
from lungsight.training.provenance import check_images


def classify_slices(model: Path, provenance: dict, split: pd.DataFrame, images: CachedImages) -> pd.DataFrame:
    """The rows of a split with `probability`, the raw sigmoid as float64, in the split's order.

    Raises UserError when the model, by its provenance, takes other images, or gives no number.
    """
    backbone = backbones.load(provenance["backbone"])
    check_images(provenance, backbone.preprocessing, images.size)
    rows = images.rows_of(split["slice"])
    inference = make_inference(keras.models.load_model(model, compile=False), backbone)
    probability = run_in_batches(inference, images.pixels, rows)[:, 0].astype(np.float64)
    if not np.isfinite(probability).all():
        raise UserError("The model's probability is not a number for some slices: its training diverged.")
    return split[["slice", "patient", "label", "split"]].assign(probability=probability)
