"""Move weights by stochastic gradient descent with momentum, as the papers of the field mean it."""

from collections.abc import Sequence

import keras
import tensorflow as tf


class Sgd(keras.optimizers.SGD):
    """SGD whose momentum sums gradients, and whose weight decay is part of the gradient.

    Each step is v ← momentum · v + (g + decay · w) and w ← w − rate · v. Keras's own momentum sums steps, so that
    a rate that falls acts late, and its weight decay shrinks weights beside the step.

    Parameters
    ----------
    momentum : float
        Share of the earlier gradients that stays.
    decay : float
        Weight decay, of all variables.
    """

    def __init__(self, momentum: float, decay: float) -> None:
        super().__init__(momentum=momentum)
        self.decay = decay

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: None = None) -> None:
        """Take one step. grads: in the order of the variables that the optimizer was built for."""
        self._iterations.value.assign_add(1)
        rate = tf.convert_to_tensor(self.learning_rate)
        for variable, sums, gradient in zip(self._trainable_variables, self.momentums, grads, strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=variable.value.handle,
                accum=sums.value.handle,
                lr=rate,
                grad=gradient + self.decay * variable.value,
                momentum=self.momentum,
            )
