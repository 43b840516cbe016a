"""Train a generator of slices of one class against a discriminator, and draw slices from it.

References
----------
Radford, A., Metz, L. and Chintala, S. (2016). Unsupervised representation learning with deep convolutional generative
adversarial networks. ICLR.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lungsight.errors import UserError
from lungsight.program import log, progress
from lungsight.training.adam import Adam, Optimizer, prepared
from lungsight.training.augmentation import generator
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.early_stopping import EarlyStopping
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import precision

SIDE, NOISE = 64, 100  # rows and columns of a slice, and length of z
RATE, BETA_1, SLOPE, DEVIATION, KERNEL = 2e-4, 0.5, 0.2, 0.02, 5
MOMENTUM = 0.9  # of the running statistics, which draw the slices
BLOCK = 100  # steps of a row of the history
STAGE = 4  # keeps what is drawn here apart from what trainings and pre-trainings draw
Row = dict[str, Any]
Step = Callable[..., tuple[tf.Tensor, ...]]


def _start() -> Any:
    """Make the initialiser of all kernels. Keras's stub asks for its name."""
    return keras.initializers.RandomNormal(stddev=DEVIATION)


def _convolution(make: Any, filters: int, **settings: Any) -> keras.layers.Layer:
    return make(filters, KERNEL, strides=2, padding="same", kernel_initializer=_start(), **settings)


def build_generator(filters: int) -> keras.Model:
    """Build the network from z (n, 100) to slices (n, 64, 64, 1) in [−1, 1].

    Maps of 4, 8, 16 and 32 rows have 8, 4, 2 and 1 times `filters` channels, each with batch normalisation and ReLU.
    The output has neither.
    """
    noise = keras.Input((NOISE,))
    maps = keras.layers.Dense(4 * 4 * 8 * filters, use_bias=False, kernel_initializer=_start())(noise)
    maps = keras.layers.Reshape((4, 4, 8 * filters))(maps)
    for times in (4, 2, 1):
        maps = keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=MOMENTUM)(maps))
        maps = _convolution(keras.layers.Conv2DTranspose, times * filters, use_bias=False)(maps)
    maps = keras.layers.Activation("relu")(keras.layers.BatchNormalization(momentum=MOMENTUM)(maps))
    slices = _convolution(keras.layers.Conv2DTranspose, 1)(maps)
    return keras.Model(noise, keras.layers.Activation("tanh", dtype="float32")(slices))


def build_discriminator(filters: int) -> keras.Model:
    """Build the network from slices to the logit that they are real, (n, 1) float32.

    Its four convolutions have ½, 1, 2 and 4 times `filters` channels, a leaky ReLU, and all but the first batch
    normalisation.
    """
    maps = slices = keras.Input((SIDE, SIDE, 1))
    for number, channels in enumerate((filters // 2, filters, 2 * filters, 4 * filters)):
        maps = _convolution(keras.layers.Conv2D, channels, use_bias=number == 0)(maps)
        if number:
            maps = keras.layers.BatchNormalization(momentum=MOMENTUM)(maps)
        maps = keras.layers.LeakyReLU(negative_slope=SLOPE)(maps)
    logit = keras.layers.Dense(1, kernel_initializer=_start(), dtype="float32")(keras.layers.Flatten()(maps))
    return keras.Model(slices, logit)


def to_range(slices: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Scale slices (n, 64, 64) of greys in 0-255 to (n, 64, 64, 1) in [−1, 1]."""
    return tf.cast(slices, tf.float32)[..., None] / 127.5 - 1.0  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True)
class Adversaries:
    """A generator and its discriminator, with their optimizers."""

    generator: keras.Model
    discriminator: keras.Model
    of_generator: Optimizer
    of_discriminator: Optimizer

    @classmethod
    def of(cls, filters: int, policy: str) -> "Adversaries":
        """Build them. policy: dtype policy of Keras in which they compute."""
        with precision(policy):
            networks = build_generator(filters), build_discriminator(filters)
        optimizers = [prepared(Adam(beta_1=BETA_1), each) for each in networks]
        for optimizer in optimizers:
            optimizer.learning_rate = RATE
        return cls(*networks, *optimizers)

    @property
    def remembered(self) -> list[Any]:
        """What a checkpoint keeps beside the generator and its optimizer."""
        return [*self.discriminator.variables, *self.of_discriminator.variables]

    def draw(self, n: int, rng: np.random.Generator, at_once: int = 64) -> np.ndarray:
        """Draw n slices (n, 64, 64) uint8, by the running statistics of batch normalisation."""
        noise = rng.standard_normal((n, NOISE)).astype(np.float32)
        parts = [self.generator(noise[start : start + at_once], training=False) for start in range(0, n, at_once)]
        greys = (np.concatenate([np.asarray(part) for part in parts])[..., 0] + 1.0) * 127.5
        return np.rint(np.clip(greys, 0, 255)).astype(np.uint8)


def cross_entropy(logits: tf.Tensor, real: float) -> tf.Tensor:
    """Return the mean cross-entropy of logits (n, 1) with the answer real: 1 or 0."""
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(real * tf.ones_like(logits), logits))


def make_step(both: Adversaries) -> Step:
    """Make the function that takes one step of each network, the discriminator first.

    Returns
    -------
    callable
        Takes slices (n, 64, 64) uint8 and noise (n, 100). Returns the loss of the discriminator, that of the generator,
        and the shares of real and of generated slices that the discriminator knew.
    """
    make, judge = both.generator, both.discriminator

    def move(optimizer: Any, tape: tf.GradientTape, loss: tf.Tensor, network: keras.Model) -> None:
        optimizer.apply(tape.gradient(loss, [variable.value for variable in network.trainable_variables]))

    def step(slices: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, ...]:
        made = tf.stop_gradient(make(noise, training=True))
        with tf.GradientTape() as tape:
            real, generated = judge(to_range(slices), training=True), judge(made, training=True)
            of_judge = cross_entropy(real, 1.0) + cross_entropy(generated, 0.0)
            scaled: Any = both.of_discriminator.scale_loss(of_judge)
        move(both.of_discriminator, tape, scaled, judge)
        with tf.GradientTape() as tape:
            of_maker = cross_entropy(judge(make(noise, training=True), training=True), 1.0)
            scaled = both.of_generator.scale_loss(of_maker)
        move(both.of_generator, tape, scaled, make)
        knew = [tf.reduce_mean(tf.cast(each, tf.float32)) for each in (real > 0, generated < 0)]
        return of_judge, of_maker, *knew

    signature = [tf.TensorSpec((None, SIDE, SIDE), tf.uint8), tf.TensorSpec((None, NOISE), tf.float32)]
    with fused_batch_norm(make), fused_batch_norm(judge):
        return tf.function(step, autograph=False, input_signature=signature).get_concrete_function()


def train(
    both: Adversaries, slices: np.ndarray, settings: dict[str, Any], seed: int, checkpoint: Checkpoint | None = None
) -> list[Row]:
    """Train both networks in place. One that was cut short goes on with the numbers that it would have had.

    Parameters
    ----------
    both
        The networks.
    slices
        (n, 64, 64) uint8, of one class, or of all.
    settings
        steps, and batch: slices of a step.
    seed
        Of everything that is drawn.
    checkpoint
        Where the state is kept, also when it is done: the next class may be cut short.

    Returns
    -------
    list of dict
        A row for each block of steps, as the table `dcgan` has it, without the label.

    Raises
    ------
    UserError
        There are fewer slices than in a batch, or a loss is not a number.
    """
    if len(slices) < settings["batch"]:
        raise UserError(
            f"training.remedies: a step of a generator has {settings['batch']} slices (batch), and this one has"
            f" {len(slices)} training slices. Lower batch, or leave the remedy out."
        )
    stopping = EarlyStopping(both.generator, None)
    kept = both.generator, both.of_generator
    history = checkpoint.restore(*kept, stopping, both.remembered) if checkpoint else []
    blocks = -(-settings["steps"] // BLOCK)
    if len(history) == blocks:
        return history
    step = make_step(both)
    for block in progress(range(len(history) + 1, blocks + 1), "blocks of steps"):
        started, last = time.monotonic(), min(block * BLOCK, settings["steps"])
        seen = []
        for number in range((block - 1) * BLOCK + 1, last + 1):
            rng = generator(seed, STAGE, number)
            chosen = rng.choice(len(slices), settings["batch"], replace=False)
            noise = rng.standard_normal((settings["batch"], NOISE)).astype(np.float32)
            seen.append([float(value) for value in step(tf.constant(slices[chosen]), tf.constant(noise))])
        names = ("discriminator_loss", "generator_loss", "knew_real", "knew_generated")
        row = {"step": last, **dict(zip(names, np.mean(seen, axis=0).tolist(), strict=True))}
        check_block(row)
        history.append(row | {"seconds": time.monotonic() - started})
        if checkpoint:
            checkpoint.save(*kept, history, stopping, both.remembered)
    return history


def check_block(row: Row) -> None:
    """Log a block of steps. Raise UserError where a loss is not a number."""
    log(
        f"step {row['step']}: loss of the discriminator {row['discriminator_loss']:.3f}, of the generator"
        f" {row['generator_loss']:.3f}; known: {row['knew_real']:.0%} of real, {row['knew_generated']:.0%} of generated"
    )
    if not np.isfinite([row["discriminator_loss"], row["generator_loss"]]).all():
        raise UserError(f"The loss of the generator of slices is not a number by step {row['step']}: it diverged.")
