"""Part every class into sub-classes that look alike, train the network on these, and compose the classes of them.

References
----------
Abbas, A., Abdelsamea, M. M. and Gaber, M. M. (2021). Classification of COVID-19 in chest X-ray images using DeTraC deep
convolutional neural network. Applied Intelligence 51.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from scipy.optimize import linear_sum_assignment
from scipy.special import log_softmax
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from lungsight.errors import UserError
from lungsight.training.bags import mean_by_group
from lungsight.training.losses import Measured, Objective
from lungsight.training.network import (
    LOGIT,
    SUB_LOGITS,
    Architecture,
    output_behind_pooled,
    pooled_inference,
    run_in_batches,
)
from lungsight.training.treatment import Batch, Draw, Forward, Material, Treatment

SEED, STARTS = 0, 10  # of k-means, of which the best of several is taken


def log_sum_exp(scores: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Compute log Σ exp over the last axis of (n, classes, k), in plain layers; returns (n, classes) float32.

    Each score minus its log-softmax is this number. Their mean is taken, whose gradient is the softmax.
    """
    relative = keras.layers.Activation("log_softmax", dtype="float32", name=f"{name}_relative")(scores)
    same = keras.layers.Subtract(dtype="float32", name=f"{name}_of_each")([scores, relative])
    return keras.layers.GlobalAveragePooling1D(data_format="channels_first", dtype="float32", name=name)(same)


class Composition(Architecture):
    """Give each class several logits, and compose its own of them."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.sub_classes = int(settings["sub_classes"])

    def logit(self, hidden: keras.KerasTensor, outputs: int) -> keras.KerasTensor:
        """Compute log Σ exp of the sub-classes of each class, or of two classes the difference of both.

        The sigmoid of that difference, and the softmax of these logits, are the sums of the sub-classes' probabilities.
        """
        classes = max(outputs, 2)
        flat = keras.layers.Dense(classes * self.sub_classes, dtype="float32", name=SUB_LOGITS)(hidden)
        scores = keras.layers.Reshape((classes, self.sub_classes), dtype="float32", name=f"{SUB_LOGITS}_by_class")(flat)
        if outputs > 1:
            return log_sum_exp(scores, LOGIT)
        negative, positive = (
            log_sum_exp(keras.layers.Cropping1D(others, dtype="float32", name=f"{name}_sub_logits")(scores), name)
            for name, others in (("negative", (0, 1)), ("positive", (1, 0)))
        )
        return keras.layers.Subtract(dtype="float32", name=LOGIT)([positive, negative])


def principal_components(features: np.ndarray, components: int) -> np.ndarray:
    """Project features (n, channels) on their first principal components, at most as many as there are."""
    return PCA(min(components, *features.shape), svd_solver="full").fit_transform(features)


def part(features: np.ndarray, classes: np.ndarray, sub_classes: int) -> np.ndarray:
    """Part each class into sub-classes by k-means.

    Parameters
    ----------
    features
        (n, channels).
    classes
        (n,) int.
    sub_classes
        Number k of each class. Every class has as many rows, at least.

    Returns
    -------
    (n,) int, 0 … k − 1 within the class of a row.
    """
    # scikit-learn's stub has the string "auto" only.
    k_means = KMeans(sub_classes, n_init=STARTS, random_state=SEED)  # pyright: ignore[reportArgumentType]
    found = np.zeros(len(classes), int)
    for label in np.unique(classes):
        members = classes == label
        found[members] = k_means.fit_predict(features[members])
    return found


def numbered_alike(found: np.ndarray, classes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Give the sub-classes of each class the numbers by which a network's own agree with them best.

    Stage 2 parts anew, and its numbers mean nothing. So they follow the sub-classes that stage 1 has learned.

    Parameters
    ----------
    found, classes
        (n,) int.
    scores
        Logits of the network's sub-classes, (n, classes, k).

    Returns
    -------
    (n,) int, the same parts. The sum over rows of the log-probability of their number, given the class, is highest.
    """
    numbered = np.empty_like(found)
    own = log_softmax(scores[np.arange(len(classes)), classes], axis=1)
    for label in np.unique(classes):
        members = classes == label
        sums = np.array([own[members & (found == number)].sum(axis=0) for number in range(own.shape[1])])
        _, numbers = linear_sum_assignment(sums, maximize=True)
        numbered[members] = numbers[found[members]]
    return numbered


def counts_of(numbers: np.ndarray, classes: np.ndarray, sub_classes: int) -> list[list[int]]:
    """Count the members of the sub-classes; a row for each class, in the order of their numbers."""
    return [np.bincount(numbers[classes == each], minlength=sub_classes).tolist() for each in np.unique(classes)]


class Decomposition(Treatment):
    """Train the sub-classes of training images, as the features of the network at its start part them.

    What is parted are images, or patients where slices are classified in bags.
    """

    layer = SUB_LOGITS
    signature = (tf.TensorSpec((None,), tf.int32),)

    def __init__(self, material: Material) -> None:
        self.material, settings = material, material.settings
        self.sub_classes, self.components = int(settings["sub_classes"]), int(settings["components"])

    def attach(self, model: keras.Model) -> None:
        """Part the classes. Checkpoints keep the result: a training that goes on goes on with the same."""
        source, n = self.material, len(self.material.rows)
        groups = np.arange(n) if source.bag_size == 1 else source.patients
        inference = pooled_inference(model, source.backbone)
        features = mean_by_group(run_in_batches(inference, source.pixels, source.rows), groups)
        classes = source.labels[np.unique(groups, return_index=True)[1]]
        self.check(np.bincount(classes), features)
        found = part(principal_components(features, self.components), classes, self.sub_classes)
        scores = output_behind_pooled(model, SUB_LOGITS, features)
        numbers = numbered_alike(found, classes, scores.reshape(len(scores), -1, self.sub_classes))
        self.variables = (tf.Variable(tf.constant(numbers[groups], tf.int32)),)

    def check(self, counts: Sequence[int] | np.ndarray, features: np.ndarray) -> None:
        """Raise UserError for a class with fewer members than sub-classes, and for features that are not finite."""
        if not np.isfinite(features).all():
            raise UserError(
                f"pipelines.remedies: {self.material.settings['name']} parts classes by features of the network at its"
                " start, and some are not numbers. training.precision: float32 computes them in the range that they"
                " need."
            )
        if min(counts) < self.sub_classes:
            what = "training slices" if self.material.bag_size == 1 else "training patients, whom bags keep together"
            raise UserError(
                f"training.remedies.{self.material.settings['name']}.sub_classes: a class has {min(counts)} {what}, too"
                f" few for {self.sub_classes} sub-classes. Lower it, or leave the remedy out."
            )

    def extras(self, draw: Draw) -> tuple[np.ndarray, ...]:
        """Return the sub-class of each image or bag."""
        return (self.variables[0].numpy()[draw.chosen[:: self.material.bag_size]],)

    def loss(self, objective: Objective, batch: Batch, forward: Forward) -> tuple[Measured, tf.Tensor]:
        """Add the cross-entropy of the sub-class within its class.

        −log p(sub-class) is −log p(class) − log p(sub-class | class). The first is the loss of the composed logits.
        """
        outputs = forward(batch.pictures)
        if outputs.features is None:
            raise ValueError("the treatment names a layer, and the step gives no features of it")
        measured = objective(batch.labels, outputs.logits)
        scores = tf.reshape(outputs.features, (tf.shape(batch.labels)[0], -1, self.sub_classes))
        of_class = tf.gather(scores, batch.labels, batch_dims=1)
        within = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=batch.extras[0], logits=of_class)
        return measured, tf.reduce_mean(measured.loss + within)

    def findings(self, model: keras.Model) -> dict[str, Any]:
        """Count the training images of the sub-classes, a list for each class in the order of its numbers."""
        return {"sub_classes": counts_of(self.variables[0].numpy(), self.material.labels, self.sub_classes)}
