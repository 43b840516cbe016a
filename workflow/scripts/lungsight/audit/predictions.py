"""What a model predicts for a batch of images, and what the audit needs a model for. Imports no TensorFlow."""

from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import expit


class Predictions(NamedTuple):
    """Predictions for n images.

    Attributes
    ----------
    logit
        (n,) float64.
    features
        (n, k), the last hidden layer.
    cams
        (n, h, w), Grad-CAM of the logit before its ReLU.
    """

    logit: np.ndarray
    features: np.ndarray
    cams: np.ndarray

    @property
    def probability(self) -> np.ndarray:
        """(n,) float64, not saturated where float32 would be."""
        return expit(self.logit)

    def probability_of(self, sign: np.ndarray) -> np.ndarray:
        """Give the probability (n,) of the class that `sign` (n,) ±1 stands for."""
        return expit(sign * self.logit)

    def maps(self, sign: np.ndarray) -> np.ndarray:
        """Give Grad-CAM of sign · logit, (n, h, w): the evidence for the class that `sign` (n,) ±1 stands for."""
        return np.maximum(self.cams * sign[:, None, None], 0)


class Predictor(Protocol):
    """A function of images (n, size, size) uint8. `ModelOutputs` is the one that the audit runs."""

    def __call__(self, images: np.ndarray, /) -> Predictions:
        """Predict for every image."""
        ...
