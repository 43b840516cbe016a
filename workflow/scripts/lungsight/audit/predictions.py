"""What a model predicts for a batch of images, and what the audit needs a model for. Imports no TensorFlow."""

from typing import NamedTuple, Protocol

import numpy as np
from scipy.special import expit, softmax

from lungsight.classes import margins_of
from lungsight.evaluation.class_metrics import decide
from lungsight.evaluation.metrics import THRESHOLD


class Predictions(NamedTuple):
    """Predictions for n images. Classes are numbered as a network learns them (`Classes.numbers_of`).

    Attributes
    ----------
    logits
        (n, outputs) float64: one, of the first of two classes, or one for each class.
    features
        (n, k), the last hidden layer.
    cams
        (n, outputs, h, w), Grad-CAM of each logit before its ReLU.
    """

    logits: np.ndarray
    features: np.ndarray
    cams: np.ndarray

    @property
    def numbers(self) -> np.ndarray:
        """(n,) int, the predicted class."""
        if self.logits.shape[1] == 1:
            return (expit(self.logits[:, 0]) >= THRESHOLD).astype(int)
        return decide(self.logits)

    def probability_of(self, numbers: np.ndarray) -> np.ndarray:
        """Give the probability (n,) float64 of a class, not saturated where float32 would be."""
        return expit(margins_of(self.logits, numbers))

    def maps(self, numbers: np.ndarray) -> np.ndarray:
        """Give Grad-CAM of the margin of a class, (n, h, w): the evidence for the class `numbers` (n,)."""
        outputs = self.logits.shape[1]
        if outputs == 1:
            signs = np.where(numbers == 1, 1.0, -1.0)
            return np.maximum(self.cams[:, 0] * signs[:, None, None], 0)
        # The gradient of the margin is that of the logit minus the others', weighted by the softmax among them.
        own = np.eye(outputs, dtype=bool)[numbers]
        others: np.ndarray = softmax(np.where(own, -np.inf, self.logits), axis=1)
        shares = own - others
        return np.maximum(np.einsum("nk,nkhw->nhw", shares, self.cams), 0)


class Predictor(Protocol):
    """A function of images (n, size, size) uint8. `ModelOutputs` is the one that the audit runs."""

    def __call__(self, images: np.ndarray, /) -> Predictions:
        """Predict for every image."""
        ...
