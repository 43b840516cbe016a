"""Dynamic loss scaling, without which small gradients vanish in float16 (Micikevicius et al. 2018).

As Keras's LossScaleOptimizer: the loss is multiplied by a scale before its gradient is taken, and the gradient divided
by it again. Where a gradient overflows the scale is halved and no step is taken; after many good steps it doubles.
"""

from collections.abc import Sequence

import keras
import tensorflow as tf

from lungsight.training.adam import Adam

INITIAL_SCALE = 2.0**15
GROWTH_STEPS = 2000


class LossScaledAdam(Adam):
    """Adam that backpropagates a scaled loss. scale: float32 scalar; good_steps: int64, since it last changed."""

    def __init__(self, variables: Sequence[tf.Variable], weight_decay: float = 0.0) -> None:
        super().__init__(variables, weight_decay)
        self.scale = tf.Variable(INITIAL_SCALE, trainable=False)
        self.good_steps = tf.Variable(0, dtype=tf.int64, trainable=False)

    def minimise(self, tape: tf.GradientTape, loss: tf.Tensor, learning_rate: tf.Tensor) -> None:
        """Take one step, or none where a gradient is not finite."""
        scaled = tape.gradient(loss, self.variables, output_gradients=tf.identity(self.scale))
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in scaled])
        tf.cond(finite, lambda: self._step(scaled, learning_rate), self._skip)

    def _step(self, scaled: Sequence[tf.Tensor], learning_rate: tf.Tensor) -> tf.Tensor:
        scale = tf.identity(self.scale)
        self.apply([gradient / scale for gradient in scaled], learning_rate)
        grows = tf.equal(self.good_steps + 1, GROWTH_STEPS)
        self.good_steps.assign(tf.where(grows, tf.zeros_like(self.good_steps), self.good_steps + 1))
        return self.scale.assign(tf.where(grows, scale * 2, scale))

    def _skip(self) -> tf.Tensor:
        self.good_steps.assign(tf.zeros_like(self.good_steps))
        return self.scale.assign(self.scale / 2)

    def _state_variables(self) -> list[tf.Variable]:
        return [*super()._state_variables(), self.scale, self.good_steps]


def optimizer_of(model: keras.Model, weight_decay: float) -> Adam:
    """The optimizer of a network's trainable weights; the loss is scaled where a layer computes in float16."""
    half = any(layer.compute_dtype == "float16" for layer in model.layers)
    return (LossScaledAdam if half else Adam)([variable.value for variable in model.trainable_variables], weight_decay)
