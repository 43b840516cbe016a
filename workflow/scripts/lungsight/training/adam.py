"""Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019) as one or two operations per variable."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class Adam:
    """Keras's Adam with its default constants, by `ResourceApplyAdam`.

    All state is made here, before a step is traced, so that one trace is enough. A third of Keras's own trace goes
    into its per-variable bookkeeping.

    weight_decay: AdamW's, apart from the gradient: before each step a kernel shrinks by learning rate × weight decay.
    Biases and the scales of normalisations, vectors all, do not.
    """

    def __init__(self, variables: Sequence[tf.Variable], weight_decay: float = 0.0) -> None:
        self.weight_decay = weight_decay
        self.variables = list(variables)
        self.momentums = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]
        self.velocities = [tf.Variable(tf.zeros_like(variable), trainable=False) for variable in self.variables]
        self.steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def minimise(self, tape: tf.GradientTape, loss: tf.Tensor, learning_rate: tf.Tensor) -> None:
        """Take one step down the gradient of a scalar loss that `tape` has recorded."""
        self.apply(tape.gradient(loss, self.variables), learning_rate)

    def apply(self, gradients: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> None:
        """Take one step; gradients in the order of the variables."""
        step = tf.cast(self.steps.assign_add(1), tf.float32)
        powers = tf.pow(BETA_1, step), tf.pow(BETA_2, step)
        parts = zip(self.variables, self.momentums, self.velocities, gradients, strict=True)
        for variable, momentum, velocity, gradient in parts:
            if self.weight_decay and variable.shape.rank > 1:
                variable.assign_sub(variable * (learning_rate * self.weight_decay))
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=momentum.handle,
                v=velocity.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=learning_rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=EPSILON,
                grad=gradient,
            )

    def state(self) -> list[np.ndarray]:
        """All that a later `restore` needs, as arrays."""
        return [variable.numpy() for variable in self._state_variables()]

    def restore(self, state: Sequence[np.ndarray]) -> None:
        """Go back to a `state`. Raises ValueError if it belongs to other variables."""
        for variable, value in zip(self._state_variables(), state, strict=True):
            variable.assign(value)

    def _state_variables(self) -> list[tf.Variable]:
        return [self.steps, *self.momentums, *self.velocities]
