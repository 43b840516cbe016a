"""Solve extreme learning machines on the pooled features of a backbone in closed form.

A machine has random neurons, H = g(XW + b), which are never trained, and weights β = (I/C + HᵀH)⁻¹HᵀT of its one
output. T is 1 for the positive class and −1 for the other. X are the features, standardised over the training images.
The standardisation is folded into W and b, so that the saved network takes features as they are. With more than two
classes a machine has an output for each, whose T is 1 for the class and −1 for the others.

References
----------
Huang, G.-B., Zhu, Q.-Y. and Siew, C.-K. (2006). Extreme learning machine: theory and applications.
Platt, J. (1999). Probabilistic outputs for support vector machines.
"""

import time

import keras
import numpy as np
from scipy.linalg import solve
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from lungsight.errors import UserError
from lungsight.program import log
from lungsight.training.backbones import Backbone
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.fit import TrainingPlan, in_words
from lungsight.training.heads import HIDDEN, MACHINES, MARGIN, MEDIAN, RANDOM
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Objective
from lungsight.training.network import LOGIT, output_behind_pooled, pooled_inference, run_in_batches

SOLVED = "solved in closed form"
SLOPES = (0.1, 20.0)  # of the logit over the margin; the machines aim at margins of ±1


def ridge(hidden: np.ndarray, targets: np.ndarray, c: float) -> np.ndarray:
    """Compute β = (I/C + HᵀH)⁻¹HᵀT.

    Parameters
    ----------
    hidden
        H, (n, neurons).
    targets
        T, (n,).
    c
        C.

    Returns
    -------
    (neurons,) float64.
    """
    hidden = hidden.astype(np.float64)
    gram = hidden.T @ hidden + np.eye(hidden.shape[1]) / c
    return solve(gram, hidden.T @ targets, assume_a="pos")


def random_neurons(rng: np.random.Generator, features: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw W (channels, units) and b (units,) for features (n, channels) as they are.

    On standardised features the weights are uniform over ±√(3/channels), so that a neuron's sum has variance 1, and the
    offsets are uniform over ±1.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    channels = features.shape[1]
    weights = np.sqrt(3 / channels) * rng.uniform(-1, 1, (channels, units)) / deviation[:, None]
    return weights, rng.uniform(-1, 1, units) - mean @ weights


def slope_of_logit(margins: np.ndarray, labels: np.ndarray) -> float:
    """Fit the factor within SLOPES that turns margins (n,) into the logits of least cross-entropy against labels (n,).

    This is Platt's scaling without an offset: an offset would change the majority's decision.
    """
    signed = margins * np.where(labels == 1, 1.0, -1.0)
    return float(minimize_scalar(lambda slope: np.logaddexp(0, -slope * signed).mean(), bounds=SLOPES).x)


def slope_of_logits(margins: np.ndarray, labels: np.ndarray) -> float:
    """Fit the factor within SLOPES that turns margins (n, k) into the logits of least cross-entropy (softmax)."""

    def loss(slope: float) -> float:
        logits = slope * margins
        return float((logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]).mean())

    return float(minimize_scalar(loss, bounds=SLOPES).x)


def targets_of(labels: np.ndarray, outputs: int) -> np.ndarray:
    """Return T, (n, outputs): 1 for the class of an output, else −1. One output is that of label 1."""
    of_outputs = np.array([1]) if outputs == 1 else np.arange(outputs)
    return np.where(labels[:, None] == of_outputs, 1.0, -1.0)


def solve_head(model: keras.Model, features: np.ndarray, labels: np.ndarray, c: float, seed: int) -> None:
    """Set the weights of a classifier's machines, in place. features: (n, channels) of the training images."""
    for number, name in enumerate(MACHINES):
        layer = model.get_layer(f"{RANDOM}{name}")
        layer.set_weights(random_neurons(np.random.default_rng([seed, number]), features, layer.units))
    hidden = output_behind_pooled(model, HIDDEN, features)
    blocks = np.array_split(np.arange(hidden.shape[1]), len(MACHINES))
    targets = targets_of(labels, model.get_layer(LOGIT).units)
    for name, neurons in zip(MACHINES, blocks, strict=True):
        weights = np.zeros((hidden.shape[1], targets.shape[1]))
        for output, of_output in enumerate(targets.T):
            weights[neurons, output] = ridge(hidden[:, neurons], of_output, c)
        model.get_layer(f"{MARGIN}{name}").set_weights([weights])


def solve_machines(
    model: keras.Model,
    backbone: Backbone,
    objective: Objective,
    training: LabelledImages,
    validation: LabelledImages,
    plan: TrainingPlan,
    checkpoint: Checkpoint | None = None,
) -> list[dict]:
    """Solve the head of `model` in place; the backbone stays as it is. A solver of `solvers.SOLVERS`.

    The slope of the logit is fitted on the validation images. An interrupted solution starts over: the checkpoint is
    not used.

    Returns
    -------
    A history of one epoch, over images without augmentation.

    Raises
    ------
    UserError
        A feature of the backbone is not finite.
    """
    started = time.monotonic()
    inference = pooled_inference(model, backbone)
    features = [run_in_batches(inference, images.pixels, images.rows) for images in (training, validation)]
    log(f"{features[0].shape[1]} features of {len(training)} training images")
    if not all(np.isfinite(values).all() for values in features):
        raise UserError(
            "Some features of the backbone are not numbers, so no extreme learning machine can be solved on them."
            " training.precision: float32 computes them in the range that they need."
        )
    solve_head(model, features[0], training.labels, plan.elm_c, plan.seed)
    margins = output_behind_pooled(model, MEDIAN, features[1])
    outputs = margins.shape[1]
    slope = (
        slope_of_logit(margins[:, 0], validation.labels)
        if outputs == 1
        else slope_of_logits(margins, validation.labels)
    )
    model.get_layer(LOGIT).set_weights([slope * np.eye(outputs), np.zeros(outputs)])
    measured = [
        objective(images.labels, output_behind_pooled(model, LOGIT, values).astype(np.float32))
        for images, values in zip((training, validation), features, strict=True)
    ]
    loss, val_loss = (float(np.mean(each.loss)) for each in measured)
    accuracy, val_accuracy = (float(np.mean(each.correct)) for each in measured)
    row = {
        **{"epoch": 1, "loss": loss, "accuracy": accuracy, "val_loss": val_loss, "val_accuracy": val_accuracy},
        **{"learning_rate": None, "seconds": time.monotonic() - started, "kept": 1, "stopped": SOLVED},
    }
    log(in_words(row))
    return [row]
