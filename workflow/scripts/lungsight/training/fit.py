"""The training loop: one step, traced once, and an epoch's worth of bookkeeping."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.program import log, progress
from lungsight.training.adam import Adam
from lungsight.training.augmentation import augment, draw_augmentation, generator, no_augmentation
from lungsight.training.backbones import Backbone
from lungsight.training.bags import count_bags, draw_bags, in_two_parts, mean_by_group, numpy_head, predict_bags
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.early_stopping import EarlyStopping
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.loss_scale import optimizer_of
from lungsight.training.losses import Objective
from lungsight.training.network import frozen_batch_norm, make_inference, run_in_batches, to_input
from lungsight.training.recalibration import make_recalibration
from lungsight.training.schedule import learning_rate_at

Step = Callable[..., tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of an image array: pixels (N, size, size) uint8, may be memory-mapped; rows and labels (n,) int.

    patients: (n,) int, 0, 1, …; needed for bags.
    """

    pixels: np.ndarray
    rows: np.ndarray
    labels: np.ndarray
    patients: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Images and labels at the positions `chosen`."""
        return self.pixels[self.rows[chosen]], self.labels[chosen]

    def bags(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """All positions in bags of `size`, (bags, size) int; each by itself where that is 1."""
        return np.arange(len(self))[:, None] if size == 1 else draw_bags(rng, self.patients, size)

    def count(self, size: int) -> int:
        """How many bags there are."""
        return len(self) if size == 1 else count_bags(self.patients, size)


@dataclass(frozen=True)
class TrainingPlan:
    """How to train. augmentation: the config's `training.augmentation`, or None. stage: counts for the seeds only.

    recalibrate: measure batch normalisation's statistics anew after each epoch, on that epoch's training images.
    freeze_batch_norm: keep batch normalisation in inference mode. weight_decay: AdamW's, 0 for Adam. schedule: as
    `learning_rate_at` has it, after `warmup_epochs`. patience: epochs to wait for a lower validation loss; None: train
    to the end. bag_size: slices of a patient that are answered together. solver: a word of SOLVERS, which calls this
    plan; elm_c: the constant C of the closed form.
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
        """Bags of a step."""
        return max(1, self.batch_size // self.bag_size)

    def rates(self, epoch: int, n_bags: int) -> list[float]:
        """The learning rate of every step of an epoch (1-based)."""
        steps = -(-n_bags // self.bags_at_once)
        warmup = round(self.warmup_epochs * steps)
        return [
            learning_rate_at(step, self.epochs * steps, warmup, self.learning_rate, self.schedule)
            for step in range((epoch - 1) * steps, epoch * steps)
        ]


def equal_batches(rng: np.random.Generator, n: int, batch_size: int) -> list[np.ndarray]:
    """Positions 0 … n−1, shuffled, in ⌈n / batch_size⌉ batches whose sizes differ by one at most.

    Every image counts once an epoch, and there is no last batch of a few images with batch statistics of its own.
    """
    return np.array_split(rng.permutation(n), -(-n // batch_size))


def make_train_step(
    model: keras.Model, backbone: Backbone, objective: Objective, optimizer: Adam, bag_size: int = 1
) -> Step:
    """A function (images, labels, transforms, brightness, learning rate) → (sum of losses, number correct).

    It augments, preprocesses, and moves the model's weights by one step of `optimizer`. Traced once, for batches of
    any length. There is a label for each bag.
    """
    answer = predict_bags(model, bag_size)
    size = model.input_shape[1]
    signature = [
        tf.TensorSpec((None, size, size), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
        tf.TensorSpec((None, 8), tf.float32),
        tf.TensorSpec((None,), tf.float32),
        tf.TensorSpec((), tf.float32),
    ]

    @tf.function(autograph=False, input_signature=signature)
    def step(
        images: tf.Tensor, labels: tf.Tensor, transforms: tf.Tensor, brightness: tf.Tensor, learning_rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        inputs = to_input(backbone, augment(images, transforms, brightness))
        with tf.GradientTape() as tape:
            measured = objective(labels, answer(inputs))
            loss = tf.reduce_mean(measured.loss)
        optimizer.minimise(tape, loss, learning_rate)
        return tf.reduce_sum(measured.loss), tf.reduce_sum(tf.cast(measured.correct, tf.int32))

    with fused_batch_norm(model):
        return step.get_concrete_function()


def batches_of_epoch(images: LabelledImages, plan: TrainingPlan, epoch: int) -> Iterator[tuple[tf.Tensor, ...]]:
    """An epoch's batches (images, labels, transforms, brightness), shuffled and drawn by seed, stage and epoch."""
    size, rng = images.pixels.shape[1], generator(plan.seed, plan.stage, epoch)
    bags = images.bags(rng, plan.bag_size)
    for number, chosen in enumerate(equal_batches(rng, len(bags), plan.bags_at_once), start=1):
        pixels, labels = images.batch(bags[chosen].ravel())
        if plan.augmentation is None:
            drawn = no_augmentation(len(pixels))
        else:
            rng = generator(plan.seed, plan.stage, epoch, number)
            drawn = draw_augmentation(rng, len(pixels), size, plan.augmentation)
        yield tf.constant(pixels), tf.constant(labels[:: plan.bag_size], tf.int32), *map(tf.constant, drawn)


def train_epoch(step: Step, images: LabelledImages, plan: TrainingPlan, epoch: int) -> tuple[float, float]:
    """Run one epoch (1-based); returns the mean loss and accuracy over its bags of augmented images."""
    n_bags = images.count(plan.bag_size)
    rates = plan.rates(epoch, n_bags)
    batches = progress(batches_of_epoch(images, plan, epoch), f"steps of epoch {epoch}", total=len(rates))
    taken = (step(*batch, tf.constant(rate, tf.float32)) for batch, rate in zip(batches, rates, strict=True))
    losses, correct = zip(*taken, strict=True)
    return float(np.sum(losses)) / n_bags, float(np.sum(correct)) / n_bags


def make_validation(
    model: keras.Model, backbone: Backbone, validation: LabelledImages, bag_size: int
) -> Callable[[], tuple[np.ndarray, np.ndarray]]:
    """A function → labels and outputs: of every image, or, where there are bags, of every patient with all slices."""
    if bag_size == 1:
        inference = make_inference(model, backbone)
        return lambda: (validation.labels, run_in_batches(inference, validation.pixels, validation.rows))
    features, head = in_two_parts(model)[0], numpy_head(model)
    inference, patients = make_inference(features, backbone), validation.patients
    labels = validation.labels[np.unique(patients, return_index=True)[1]]

    def answers() -> tuple[np.ndarray, np.ndarray]:
        found = run_in_batches(inference, validation.pixels, validation.rows)
        return labels, head(mean_by_group(found, patients)).astype(np.float32)

    return answers


def fit(
    model: keras.Model,
    backbone: Backbone,
    objective: Objective,
    training: LabelledImages,
    validation: LabelledImages,
    plan: TrainingPlan,
    checkpoint: Checkpoint | None = None,
) -> list[dict]:
    """Train `model`, whose outputs are logits, in place; returns the history, a row per epoch as history.tsv has it.

    With a checkpoint, each epoch's end is kept and a training that was cut short goes on from there, with the numbers
    that it would have had. Raises UserError when a loss is not a number; the checkpoint then holds the last good epoch.
    """
    with frozen_batch_norm(model) if plan.freeze_batch_norm else nullcontext():
        optimizer = optimizer_of(model, plan.weight_decay)
        stopping = EarlyStopping(model, plan.patience)
        history = checkpoint.restore(model, optimizer, stopping) if checkpoint else []
        step = make_train_step(model, backbone, objective, optimizer, plan.bag_size)
        validate = make_validation(model, backbone, validation, plan.bag_size)
        recalibrate = make_recalibration(model, backbone) if plan.recalibrate else None
        for epoch in progress(range(len(history) + 1, plan.epochs + 1), "epochs"):
            if stopping.is_over:
                break
            started = time.monotonic()
            loss, accuracy = train_epoch(step, training, plan, epoch)
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
            check_finite(row, kept=bool(checkpoint and history))
            log(in_words(row))
            history.append(row)
            stopping.see(row)
            if checkpoint and epoch < plan.epochs:
                checkpoint.save(model, optimizer, history, stopping)
    return stopping.finish(history)


def check_finite(row: dict, kept: bool) -> None:
    """Raise UserError for an epoch whose loss is not a number. kept: the epoch before it is in a checkpoint."""
    if not np.isfinite([row["loss"], row["val_loss"]]).all():
        earlier = f" What was learned up to epoch {row['epoch'] - 1} is kept." if kept else ""
        raise UserError(
            f"The loss is not a number in epoch {row['epoch']}: the training diverged.{earlier} "
            f"Lower training.learning_rate (it is {row['learning_rate']:g}) and run again."
        )


def in_words(row: dict) -> str:
    """An epoch as a line of the log."""
    return (
        f"epoch {row['epoch']}: loss {row['loss']:.4f}, accuracy {row['accuracy']:.3f};"
        f" validation {row['val_loss']:.4f}, {row['val_accuracy']:.3f}"
    )
