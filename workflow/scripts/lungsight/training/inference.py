"""Predict slices, and patients, with a trained model."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.classes import Classes, class_columns, with_probabilities
from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.bags import group_numbers, in_two_parts, mean_by_group, numpy_head
from lungsight.training.image_cache import CachedImages
from lungsight.training.network import load_classifier, make_inference, run_in_batches
from lungsight.training.pipelines import PATIENT_CLASS, PATIENT_PREDICTION
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
    The rows of the split, in its order, with `probability`: the raw sigmoid as float64. In a run of more than two
    classes it is that of the first class after the softmax, beside p_1 … p_n and `predicted`, the most probable class.
    A model that was trained on bags predicts patients as well: PATIENT_PREDICTION, and patient_p_1 ….

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
    of_patients = None
    if bag_size_of(provenance) == 1:
        outputs = run_in_batches(make_inference(network, backbone), images.pixels, rows).astype(np.float64)
    else:
        features, head = in_two_parts(network)[0], numpy_head(network)
        pooled = run_in_batches(make_inference(features, backbone), images.pixels, rows)
        patients = group_numbers(table["patient"], table["label"], table["split"])
        outputs, of_patients = head(pooled), head(mean_by_group(pooled, patients))[patients]
    if "classes" in provenance:
        table = _with_classes(table, outputs, of_patients, provenance)
    else:
        table = table.assign(probability=outputs[:, 0])
        table = table if of_patients is None else table.assign(**{PATIENT_PREDICTION: of_patients[:, 0]})
    if not np.isfinite(table["probability"]).all():
        raise UserError("The model's probability is not a number for some slices: its training diverged.")
    return table


def _with_classes(
    table: pd.DataFrame, outputs: np.ndarray, of_patients: np.ndarray | None, provenance: dict[str, Any]
) -> pd.DataFrame:
    """Write the probabilities of all classes of a run into a table. outputs, of_patients: (n, k) after the softmax."""
    labels = provenance["labels"]
    classes = Classes(tuple(provenance["classes"]), sigmoid=False)
    probabilities = classes.spread(outputs, labels)
    predicted = np.array(labels, dtype=object)[probabilities.argmax(axis=1)]
    table = with_probabilities(table, probabilities).assign(predicted=predicted)
    if of_patients is None:
        return table
    spread = classes.spread(of_patients, labels)
    columns = dict(zip(class_columns(len(labels), PATIENT_CLASS), spread.T, strict=True))
    return table.assign(**{PATIENT_PREDICTION: spread[:, 0], **columns})
