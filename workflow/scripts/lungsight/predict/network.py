"""Run a trained model for the probabilities and the features of a slice at once."""

import zipfile
from pathlib import Path
from typing import cast

import keras
import numpy as np

from lungsight.errors import UserError
from lungsight.training.backbones import Backbone
from lungsight.training.network import PROBABILITY, make_inference, run_in_batches
from lungsight.training.sharded_array import Rows


def load_network(path: Path, backbone: Backbone) -> keras.Model:
    """Load model.keras. Raise UserError if it is damaged or of another backbone."""
    try:
        model = cast("keras.Model", keras.saving.load_model(path, compile=False))
        model.get_layer(backbone.explained_layer)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is damaged, or not a model of the backbone that its provenance.json names. Delete it and run the"
            f" workflow with that run's config again, which trains it anew. ({str(error).splitlines()[0][:200]})"
        ) from error
    return model


class PredictionNetwork:
    """Computes probabilities and features of slices in one forward pass.

    The features are the maps that the network pools, averaged over the image.
    """

    def __init__(self, model: keras.Model, backbone: Backbone) -> None:
        pooled = keras.layers.GlobalAveragePooling2D()(model.get_layer(backbone.explained_layer).output)
        probability = model.get_layer(PROBABILITY).output
        self._outputs = probability.shape[1]
        both = keras.layers.Concatenate()([probability, pooled])
        self._inference = make_inference(keras.Model(model.input, both), backbone)

    @classmethod
    def load(cls, path: Path, backbone: Backbone) -> "PredictionNetwork":
        """Load model.keras."""
        return cls(load_network(path, backbone), backbone)

    def __call__(self, images: Rows, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Predict some of the images.

        Parameters
        ----------
        images : (m, size, size) uint8
        rows : (n,) int
            Which of them.

        Returns
        -------
        probabilities : (n, outputs) float64
            As the network gives them.
        features : (n, channels) float64

        Raises
        ------
        UserError
            If an output is not a finite number.
        """
        both = run_in_batches(self._inference, images, rows).astype(np.float64)
        if not np.isfinite(both).all():
            raise UserError("The model's output is not a number for some slices: its training diverged.")
        return both[:, : self._outputs], both[:, self._outputs :]
