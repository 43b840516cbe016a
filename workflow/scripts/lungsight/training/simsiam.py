"""Pre-train a backbone without labels: two views of a slice shall predict each other's features.

References
----------
Chen, X. and He, K. (2021). Exploring simple Siamese representation learning. CVPR.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.program import log, progress
from lungsight.training.adam import Optimizer, prepared
from lungsight.training.augmentation import generator, no_augmentation
from lungsight.training.backbones import Backbone
from lungsight.training.checkpoints import Checkpoint, Pace
from lungsight.training.early_stopping import EarlyStopping
from lungsight.training.fit import equal_batches
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.labelled_images import JoinedImages
from lungsight.training.network import POOLED, precision, set_batch_norm_momentum, to_input
from lungsight.training.recalibration import make_recalibration
from lungsight.training.schedule import learning_rate_at
from lungsight.training.sgd import Sgd
from lungsight.training.views import Views, draw_views, show

STAGE = 3  # keeps what is drawn here apart from what stages 1 and 2 draw
RATE_OF = 256  # images, to which the learning rate of the settings belongs
COLLAPSED = 0.1  # share of 1/√d below which the outputs count as constant
Row = dict[str, Any]
Step = Callable[..., tuple[tf.Tensor, tf.Tensor]]


def negative_cosine(predicted: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return −cos(p, z), the mean over rows (n, d). No gradient goes into the target z."""
    aims = tf.stop_gradient(target)
    return -tf.reduce_mean(tf.reduce_sum(unit(predicted) * unit(aims), axis=1))


def unit(rows: tf.Tensor) -> tf.Tensor:
    """Divide rows (n, d) by their length; float32."""
    return tf.math.l2_normalize(tf.cast(rows, tf.float32), axis=1)


def deviation(projected: tf.Tensor) -> tf.Tensor:
    """Return the standard deviation of z/‖z‖ over rows (n, d), the mean over channels.

    It is about 1/√d where directions are spread evenly, and 0 where all outputs are the same.
    """
    return tf.reduce_mean(tf.math.reduce_std(unit(projected), axis=0))


@dataclass(frozen=True)
class Siamese:
    """The networks of a pre-training, which share their weights.

    Attributes
    ----------
    base
        The backbone without a classifier: what is kept.
    encoder
        From images to the pooled features of the backbone.
    model
        From images to z, the projection, and p, the prediction; (n, d) each.
    """

    base: keras.Model
    encoder: keras.Model
    model: keras.Model

    @classmethod
    def of(cls, backbone: Backbone, settings: dict[str, Any]) -> "Siamese":
        """Build them.

        Behind the pooled features is a projector of three dense layers, each with batch normalisation, and a ReLU
        behind the first two. Behind it is a predictor of two dense layers, the first with batch normalisation and ReLU.

        Parameters
        ----------
        backbone
            The network.
        settings
            The config's `training.simsiam` with image_size, precision and batch_norm_momentum of `training`.
        """
        with precision(settings["precision"]):
            base = backbone.build(settings["image_size"])
            pooled = keras.layers.GlobalAveragePooling2D(name=POOLED)(base.output)
            width, features = settings["projector"], pooled
            for number in (1, 2, 3):
                features = keras.layers.Dense(width, use_bias=False, name=f"projector{number}")(features)
                features = keras.layers.BatchNormalization(name=f"projector{number}_bn")(features)
                if number < 3:
                    features = keras.layers.Activation("relu", name=f"projector{number}_relu")(features)
            hidden = keras.layers.Dense(settings["predictor"], use_bias=False, name="predictor1")(features)
            hidden = keras.layers.BatchNormalization(name="predictor1_bn")(hidden)
            hidden = keras.layers.Activation("relu", name="predictor1_relu")(hidden)
            predicted = keras.layers.Dense(width, name="predictor2")(hidden)
        model = keras.Model(base.input, [features, predicted])
        set_batch_norm_momentum(model, settings["batch_norm_momentum"])
        return cls(base, keras.Model(base.input, pooled), model)

    def recalibrate(self, backbone: Backbone, images: JoinedImages, batch_size: int) -> None:
        """Measure the statistics of the backbone's batch normalisations on all images as they are."""
        batches = (
            images.at(places) for places in np.array_split(np.arange(len(images)), -(-len(images) // batch_size))
        )
        measure = make_recalibration(self.encoder, backbone)
        measure((tf.constant(pixels), *map(tf.constant, no_augmentation(len(pixels)))) for pixels in batches)


def make_step(siamese: Siamese, backbone: Backbone, optimizer: Optimizer) -> Step:
    """Make the function that takes one step.

    Returns
    -------
    callable
        Takes images (n, size, size) uint8, the four parts of the first `Views`, those of the second, and the learning
        rate. Returns the loss, and the `deviation` of z.
    """
    model, size = siamese.model, siamese.model.input_shape[1]
    numbers = tf.TensorSpec((None,), tf.float32)
    views = [tf.TensorSpec((None, 8), tf.float32), numbers, numbers, numbers]
    signature = [tf.TensorSpec((None, size, size), tf.uint8), *views, *views, tf.TensorSpec((), tf.float32)]

    def step(images: tf.Tensor, *drawn: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        *both, learning_rate = drawn
        seen = [to_input(backbone, show(images, tuple(part))) for part in (both[:4], both[4:])]
        with tf.GradientTape() as tape:
            (first, of_first), (second, of_second) = (model(each, training=True) for each in seen)
            loss = 0.5 * (negative_cosine(of_first, second) + negative_cosine(of_second, first))
            scaled: Any = optimizer.scale_loss(loss)
        optimizer.learning_rate = learning_rate
        optimizer.apply(tape.gradient(scaled, [variable.value for variable in model.trainable_variables]))
        return loss, 0.5 * (deviation(first) + deviation(second))

    with fused_batch_norm(siamese.base):
        return tf.function(step, autograph=False, input_signature=signature).get_concrete_function()


def batches_of_epoch(
    images: JoinedImages, settings: dict[str, Any], seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, Views, Views]]:
    """Draw the batches of an epoch, numbered from 1: images and two views of each."""
    size = settings["image_size"]
    batches = equal_batches(generator(seed, STAGE, epoch), len(images), settings["batch_size"])
    for number, chosen in enumerate(batches, start=1):
        rng = generator(seed, STAGE, epoch, number)
        first, second = (draw_views(rng, len(chosen), size, settings["augmentation"]) for _ in range(2))
        yield images.at(chosen), first, second


def rates_of_epoch(n: int, settings: dict[str, Any], epoch: int) -> list[float]:
    """List the learning rate of every step of an epoch: rate · batch size / 256, along half a cosine."""
    steps = -(-n // settings["batch_size"])
    start = settings["learning_rate"] * settings["batch_size"] / RATE_OF
    return [
        learning_rate_at(step, settings["epochs"] * steps, 0, start, "cosine")
        for step in range((epoch - 1) * steps, epoch * steps)
    ]


def pretrain(
    siamese: Siamese,
    backbone: Backbone,
    images: JoinedImages,
    settings: dict[str, Any],
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> list[Row]:
    """Pre-train in place. One that was cut short goes on after its last checkpoint, with the numbers it would have had.

    Parameters
    ----------
    siamese
        As `Siamese.of` builds them with these settings.
    backbone
        Says how images are preprocessed.
    images
        To learn from.
    settings
        As `Siamese.of` takes them.
    seed
        Of everything that is drawn.
    checkpoint
        Where the end of an epoch is kept.

    Returns
    -------
    list of dict
        A row per epoch, as the table `simsiam` has it.

    Raises
    ------
    UserError
        There are fewer images than in a batch, the outputs collapse, or the loss is not a number.
    """
    if len(images) < settings["batch_size"]:
        raise UserError(
            f"training.simsiam.batch_size: a batch has {settings['batch_size']} slices, and all training patients"
            f" together have {len(images)}. Lower it, or leave simsiam out of pipelines.weights."
        )
    model = siamese.model
    optimizer = prepared(Sgd(settings["momentum"], settings["weight_decay"]), model)
    stopping, pace = EarlyStopping(model, None), Pace()
    history = checkpoint.restore(model, optimizer, stopping) if checkpoint else []
    step = make_step(siamese, backbone, optimizer)
    for epoch in progress(range(len(history) + 1, settings["epochs"] + 1), "epochs"):
        started, rates = time.monotonic(), rates_of_epoch(len(images), settings, epoch)
        taken = [
            step(tf.constant(pixels), *map(tf.constant, (*first, *second)), tf.constant(rate, tf.float32))
            for (pixels, first, second), rate in zip(
                batches_of_epoch(images, settings, seed, epoch), rates, strict=True
            )
        ]
        loss, spread = np.mean(np.array(taken, dtype=float), axis=0)
        row = {
            **{
                "epoch": epoch,
                "loss": float(loss),
                "z_std": float(spread),
                "z_std_even": settings["projector"] ** -0.5,
            },
            **{"learning_rate": rates[-1], "seconds": time.monotonic() - started},
        }
        check_epoch(row)
        history.append(row)
        if checkpoint and epoch < settings["epochs"] and pace.is_due():
            with pace.writing():
                checkpoint.save(model, optimizer, history, stopping)
    siamese.recalibrate(backbone, images, settings["batch_size"])
    return history


def check_epoch(row: Row) -> None:
    """Log an epoch. Raise UserError where its outputs collapsed, or its loss is not a number."""
    share = row["z_std"] / row["z_std_even"]
    log(f"epoch {row['epoch']}: loss {row['loss']:.4f}, standard deviation of z {row['z_std']:.4f} ({share:.2f} / √d)")
    if not np.isfinite([row["loss"], row["z_std"]]).all():
        raise UserError(
            f"The loss of SimSiam is not a number in epoch {row['epoch']}: it diverged. Lower"
            " training.simsiam.learning_rate and run again."
        )
    if share < COLLAPSED:
        raise UserError(
            f"SimSiam collapsed in epoch {row['epoch']}: the outputs of all slices are nearly the same (standard"
            f" deviation {row['z_std']:.4f}, evenly spread ones have {row['z_std_even']:.4f}). Such weights hold"
            " nothing. Raise training.simsiam.batch_size, lower its learning_rate, or leave simsiam out of"
            " pipelines.weights."
        )
