"""A trained model, asked for the probability of a slice and for its features at once."""

import zipfile
from pathlib import Path

import keras
import numpy as np

from lungsight.errors import UserError
from lungsight.training.backbones import Backbone
from lungsight.training.network import PROBABILITY, make_inference, run_in_batches


def load_network(path: Path, backbone: Backbone) -> keras.Model:
    """Load model.keras. Raises UserError where it is damaged, or of another backbone."""
    try:
        model = keras.saving.load_model(path, compile=False)
        model.get_layer(backbone.explained_layer)
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is damaged, or no model of the backbone that its provenance.json names. Delete it and run the"
            f" workflow with that run's config again, which trains it anew. ({str(error).splitlines()[0][:200]})"
        ) from error
    return model


class PredictionNetwork:
    """Probability and features of slices by one forward pass.

    Features are the maps that the network pools, averaged over the image: (n, channels).
    """

    def __init__(self, model: keras.Model, backbone: Backbone) -> None:
        pooled = keras.layers.GlobalAveragePooling2D()(model.get_layer(backbone.explained_layer).output)
        both = keras.layers.Concatenate()([model.get_layer(PROBABILITY).output, pooled])
        self._inference = make_inference(keras.Model(model.input, both), backbone)

    @classmethod
    def load(cls, path: Path, backbone: Backbone) -> "PredictionNetwork":
        """Load model.keras."""
        return cls(load_network(path, backbone), backbone)

    def __call__(self, images: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probability (n,) and features (n, channels), float64, of the given rows of `images` (m, size, size) uint8.

        Raises UserError where the probability is not a number.
        """
        both = run_in_batches(self._inference, images, rows).astype(np.float64)
        if not np.isfinite(both).all():
            raise UserError("The model's answer is not a number for some slices: its training diverged.")
        return both[:, 0], both[:, 1:]
