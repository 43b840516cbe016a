"""Ask what a backbone has learned: predict the class from its pooled features by a line, by patient.

References
----------
Alain, G. and Bengio, Y. (2017). Understanding intermediate layers using linear classifier probes. ICLR workshop.
"""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from lungsight.linear_classifier import probe_accuracy
from lungsight.training.backbones import Backbone
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.network import make_inference, run_in_batches

PROBED = 400  # images of a cohort at most


def probe_rows(
    weights: str, encoder: keras.Model, backbone: Backbone, cohorts: Mapping[str, LabelledImages]
) -> list[dict[str, Any]]:
    """Measure an encoder on the training images of each cohort; rows as the table `linear_probe` has them.

    Parameters
    ----------
    weights
        Which the encoder has, for the table.
    encoder
        From preprocessed images to features (n, k).
    backbone
        Says how images are preprocessed.
    cohorts
        Name → images.
    """
    inference, rows = make_inference(encoder, backbone), []
    for name, images in cohorts.items():
        chosen = np.unique(np.linspace(0, len(images) - 1, PROBED).astype(int))
        labels, patients = images.labels[chosen], images.groups()[chosen]
        features = run_in_batches(inference, images.pixels, images.rows[chosen])
        rows.append(
            {
                **{"cohort": name, "weights": weights, "slices": len(chosen), "patients": len(np.unique(patients))},
                "balanced_accuracy": probe_accuracy(features, labels, patients),
                "chance": 1 / len(np.unique(labels)),
            }
        )
    return rows
