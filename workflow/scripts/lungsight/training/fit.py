"""Train a network by gradient descent: the step, the epoch, and the loop over epochs."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.program import log, progress
from lungsight.training.adam import Optimizer, optimizer_of
from lungsight.training.augmentation import augment, draw_augmentation, generator, no_augmentation
from lungsight.training.backbones import Backbone
from lungsight.training.bags import (
    in_two_parts,
    mean_by_group,
    numpy_head,
    predict_bags,
    predict_bags_with_features,
)
from lungsight.training.checkpoints import Checkpoint, Pace
from lungsight.training.early_stopping import EarlyStopping
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import Objective
from lungsight.training.network import frozen_batch_norm, make_inference, run_in_batches, to_input
from lungsight.training.read_ahead import read_ahead
from lungsight.training.recalibration import make_recalibration
from lungsight.training.schedule import learning_rate_at
from lungsight.training.treatment import Batch, Draw, Forward, Outputs, Treatment

Step = Callable[..., tuple[tf.Tensor, tf.Tensor]]
PLAIN = Treatment()
REMEDY = 1  # keeps what a treatment draws apart from what the augmentation of the same step draws


@dataclass(frozen=True)
class TrainingPlan:
    """How to train a network.

    Parameters
    ----------
    epochs, batch_size : int
        Epochs at most, and images of a step.
    learning_rate : float
        Learning rate after the warm-up.
    seed, stage : int
        Seeds of everything that is drawn. The stage has no other effect.
    augmentation : dict or None
        The config's `training.augmentation`. None: images as they are.
    recalibrate : bool
        Measure batch normalisation's statistics anew after each epoch, on that epoch's training images.
    freeze_batch_norm : bool
        Keep batch normalisation in inference mode.
    weight_decay : float
        Weight decay of AdamW. 0 is Adam.
    schedule : str
        "constant" or "cosine", as `learning_rate_at` has it.
    warmup_epochs : float
        Epochs in which the learning rate rises.
    patience : int or None
        Epochs to wait for a lower validation loss. None: train all epochs.
    bag_size : int
        Slices of a patient that are classified together.
    solver : str
        A word of SOLVERS, the function that carries out this plan.
    elm_c : float
        Constant C of the closed form, for that solver.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    stage: int = 0
    augmentation: dict | None = None
    recalibrate: bool = False
    freeze_batch_norm: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    patience: int | None = None
    bag_size: int = 1
    solver: str = "gradient"
    elm_c: float = 1.0

    @property
    def bags_at_once(self) -> int:
        """Number of bags of a step."""
        return max(1, self.batch_size // self.bag_size)

    def rates(self, epoch: int, n_bags: int) -> list[float]:
        """List the learning rate of every step of an epoch, numbered from 1."""
        steps = -(-n_bags // self.bags_at_once)
        warmup = round(self.warmup_epochs * steps)
        return [
            learning_rate_at(step, self.epochs * steps, warmup, self.learning_rate, self.schedule)
            for step in range((epoch - 1) * steps, epoch * steps)
        ]


def equal_batches(rng: np.random.Generator, n: int, batch_size: int) -> list[np.ndarray]:
    """Shuffle positions 0 … n−1 into ⌈n / batch_size⌉ batches whose sizes differ by at most one.

    Every image counts once in an epoch. No last batch of a few images has batch statistics of its own.
    """
    return np.array_split(rng.permutation(n), -(-n // batch_size))


def make_forward(model: keras.Model, backbone: Backbone, bag_size: int, layer: str | None) -> Forward:
    """Make the function from pictures (n, size, size) to a training step's outputs, and the features of a layer."""
    if layer is None:
        predict = predict_bags(model, bag_size)
        return lambda pictures: Outputs(predict(to_input(backbone, pictures)), None)
    predict_both = predict_bags_with_features(model, bag_size, layer)
    return lambda pictures: Outputs(*predict_both(to_input(backbone, pictures)))


def make_train_step(
    model: keras.Model,
    backbone: Backbone,
    objective: Objective,
    optimizer: Optimizer,
    bag_size: int = 1,
    treatment: Treatment = PLAIN,
) -> Step:
    """Make the function that takes one training step: augment, preprocess, and move the weights.

    It is traced once, for batches of any length.

    Parameters
    ----------
    model : keras.Model
        Network whose outputs are logits. Its weights are moved.
    backbone : Backbone
        Its backbone, which says how images are preprocessed.
    objective : Objective
        What is minimised.
    optimizer : Optimizer
        Made for this network by `optimizer_of`.
    bag_size : int
        Slices that are classified together.
    treatment : Treatment
        What a remedy changes. It is attached to the network.

    Returns
    -------
    callable
        Takes images (n, size, size) uint8, labels (n / bag_size,) int32, transforms (n, 8) float32, brightness (n,)
        float32, the treatment's extras, and the learning rate. Returns the sum of the losses and the number of correct
        predictions.
    """
    forward = make_forward(model, backbone, bag_size, treatment.layer)
    size = model.input_shape[1]
    signature = [
        tf.TensorSpec((None, size, size), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None, 8), tf.float32),
        tf.TensorSpec((None,), tf.float32),
        *treatment.signature,
        tf.TensorSpec((), tf.float32),
    ]

    def step(
        images: tf.Tensor, labels: tf.Tensor, transforms: tf.Tensor, brightness: tf.Tensor, *rest: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        *drawn, learning_rate = rest
        extras = tuple(drawn)
        augmented = augment(treatment.compose(images, extras), transforms, brightness)
        batch = Batch(treatment.restyle(augmented, extras), labels, transforms, extras)
        with treatment.tracing(model, extras), tf.GradientTape() as tape:
            measured, minimised = treatment.loss(objective, batch, forward)
            loss: Any = optimizer.scale_loss(minimised)
        optimizer.learning_rate = learning_rate
        moved = [*model.trainable_variables, *treatment.trainable]
        optimizer.apply(tape.gradient(loss, [variable.value for variable in moved]))
        return tf.reduce_sum(measured.loss), tf.reduce_sum(tf.cast(measured.correct, tf.int32))

    with fused_batch_norm(model):
        return tf.function(step, autograph=False, input_signature=signature).get_concrete_function()


def batches_of_epoch(
    images: LabelledImages, plan: TrainingPlan, epoch: int, treatment: Treatment = PLAIN
) -> Iterator[tuple[tf.Tensor, ...]]:
    """Make an epoch's batches: images, labels, transforms, brightness and extras, drawn by seed, stage and epoch."""
    size, rng = images.pixels.shape[1], generator(plan.seed, plan.stage, epoch)
    bags = images.bags(rng, plan.bag_size)
    batches = [bags[chosen].ravel() for chosen in equal_batches(rng, len(bags), plan.bags_at_once)]
    read = read_ahead(images.batch, batches)
    for number, (chosen, (pixels, labels)) in enumerate(zip(batches, read, strict=True), start=1):
        if plan.augmentation is None:
            drawn = no_augmentation(len(pixels))
        else:
            rng = generator(plan.seed, plan.stage, epoch, number)
            drawn = draw_augmentation(rng, len(pixels), size, plan.augmentation)
        done = (epoch - 1 + (number - 1) / len(batches)) / plan.epochs
        of_remedy = generator(plan.seed, plan.stage, epoch, number, REMEDY)
        extras = treatment.extras(Draw(chosen, of_remedy, done))
        labels_of_bags = tf.constant(labels[:: plan.bag_size], tf.int32)
        yield tf.constant(pixels), labels_of_bags, *map(tf.constant, drawn), *map(tf.constant, extras)


def train_epoch(
    step: Step, images: LabelledImages, plan: TrainingPlan, epoch: int, treatment: Treatment = PLAIN
) -> tuple[float, float]:
    """Run one epoch, numbered from 1. Return the mean loss and accuracy over its bags of augmented images."""
    n_bags = images.count(plan.bag_size)
    rates = plan.rates(epoch, n_bags)
    batches = progress(batches_of_epoch(images, plan, epoch, treatment), f"steps of epoch {epoch}", total=len(rates))
    taken = (step(*batch, tf.constant(rate, tf.float32)) for batch, rate in zip(batches, rates, strict=True))
    losses, correct = zip(*taken, strict=True)
    return float(np.sum(losses)) / n_bags, float(np.sum(correct)) / n_bags


def make_validation(
    model: keras.Model, backbone: Backbone, validation: LabelledImages, bag_size: int
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """Make a function that classifies the validation images.

    Parameters
    ----------
    model : keras.Model
        Network whose outputs are logits.
    backbone : Backbone
        Its backbone, which says how images are preprocessed.
    validation : LabelledImages
        Images to classify.
    bag_size : int
        Slices that are classified together in training.

    Returns
    -------
    callable
        Takes nothing and returns labels (n,) and outputs (n, k) float32: of every image, or, where there are bags, of
        every patient with all slices.
    """
    if bag_size == 1:
        inference = make_inference(model, backbone)
        return lambda: (validation.labels, run_in_batches(inference, validation.pixels, validation.rows))
    features, head = in_two_parts(model)[0], numpy_head(model)
    inference, patients = make_inference(features, backbone), validation.groups()
    labels = validation.labels[np.unique(patients, return_index=True)[1]]

    def predictions() -> tuple[np.ndarray, np.ndarray]:
        found = run_in_batches(inference, validation.pixels, validation.rows)
        return labels, head(mean_by_group(found, patients)).astype(np.float32)

    return predictions


def fit(
    model: keras.Model,
    backbone: Backbone,
    objective: Objective,
    training: LabelledImages,
    validation: LabelledImages,
    plan: TrainingPlan,
    checkpoint: Checkpoint | None = None,
    treatment: Treatment = PLAIN,
) -> list[dict]:
    """Train a network in place.

    Checkpoints keep the end of an epoch, and take a small share of the time. A training that was cut short goes on from
    the last of them, with the numbers that it would have had.

    Parameters
    ----------
    model : keras.Model
        Network whose outputs are logits.
    backbone : Backbone
        Its backbone, which says how images are preprocessed.
    objective : Objective
        What is minimised.
    training, validation : LabelledImages
        Images to train on, and images that only measure.
    plan : TrainingPlan
        How to train.
    checkpoint : Checkpoint, optional
        Where the end of an epoch is kept.
    treatment : Treatment
        What a remedy changes. Batch normalisation is recalibrated on images without it.

    Returns
    -------
    list of dict
        The history: a row per epoch, as history.tsv has it.

    Raises
    ------
    UserError
        A loss is not a number. The checkpoint then holds the last good epoch.
    """
    with frozen_batch_norm(model) if plan.freeze_batch_norm else nullcontext():
        treatment.attach(model)
        optimizer = optimizer_of(model, plan.weight_decay, treatment.trainable)
        stopping, pace = EarlyStopping(model, plan.patience), Pace()
        history = checkpoint.restore(model, optimizer, stopping, treatment.variables) if checkpoint else []
        kept = len(history)  # epochs that a checkpoint holds
        step = make_train_step(model, backbone, objective, optimizer, plan.bag_size, treatment)
        validate = make_validation(model, backbone, validation, plan.bag_size)
        recalibrate = make_recalibration(model, backbone) if plan.recalibrate else None
        for epoch in progress(range(len(history) + 1, plan.epochs + 1), "epochs"):
            if stopping.is_over:
                break
            started = time.monotonic()
            loss, accuracy = train_epoch(step, training, plan, epoch, treatment)
            if recalibrate:
                recalibrate((images, *drawn) for images, _, *drawn in batches_of_epoch(training, plan, epoch))
            measured = objective(*validate())
            row = {
                **{"epoch": epoch, "loss": loss, "accuracy": accuracy},
                **{"val_loss": float(np.mean(measured.loss)), "val_accuracy": float(np.mean(measured.correct))},
                **{
                    "learning_rate": plan.rates(epoch, training.count(plan.bag_size))[-1],
                    "seconds": time.monotonic() - started,
                },
            }
            check_finite(row, kept)
            log(in_words(row))
            history.append(row)
            stopping.see(row)
            if checkpoint and epoch < plan.epochs and pace.is_due():
                with pace.writing():
                    checkpoint.save(model, optimizer, history, stopping, treatment.variables)
                kept = epoch
    return stopping.finish(history)


def check_finite(row: dict, kept: int) -> None:
    """Raise UserError for an epoch whose loss is not a number. `kept`: the last epoch that a checkpoint holds, or 0."""
    if not np.isfinite([row["loss"], row["val_loss"]]).all():
        earlier = f" What was learned up to epoch {kept} is kept." if kept else ""
        raise UserError(
            f"The loss is not a number in epoch {row['epoch']}: the training diverged.{earlier} "
            f"Lower training.learning_rate (it is {row['learning_rate']:g}) and run again."
        )


def in_words(row: dict) -> str:
    """Write an epoch as a line of the log."""
    return (
        f"epoch {row['epoch']}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.3f};"
        f" validation {row['val_loss']:.4f}, {row['val_accuracy']:.3f}"
    )
