"""Move weights by Adam (Kingma and Ba 2015) or AdamW (Loshchilov and Hutter 2019)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

Optimizer = keras.optimizers.Optimizer


class Adam(keras.optimizers.Adam):
    """Keras's Adam with its default constants, whose step is one operation per variable.

    Keras composes the step of a variable of about twenty operations. Tracing and running them makes a short training
    of DenseNet-201 a third longer (docs/benchmarks.md). The numbers agree up to rounding.

    Parameters
    ----------
    weight_decay : float
        Weight decay of AdamW. Each step first shrinks a kernel by the factor 1 − learning rate × weight decay. Biases
        and the scales of normalisations, which are vectors, do not decay.
    beta_1 : float
        Share of the earlier gradients that stays in their mean.
    """

    def __init__(self, weight_decay: float = 0.0, beta_1: float = 0.9) -> None:
        super().__init__(weight_decay=weight_decay or None, beta_1=beta_1)

    def apply(self, grads: Sequence[tf.Tensor], trainable_variables: None = None) -> None:
        """Take one step.

        Parameters
        ----------
        grads : sequence of tf.Tensor
            Gradients, in the order of the variables that the optimizer was built for.
        trainable_variables : None
            Only those variables are moved. Keras passes this argument.
        """
        step = tf.cast(self._iterations.value.assign_add(1), tf.float32)
        powers = tf.pow(self.beta_1, step), tf.pow(self.beta_2, step)
        rate = tf.convert_to_tensor(self.learning_rate)
        parts = zip(self._trainable_variables, self._momentums, self._velocities, grads, strict=True)
        for variable, momentum, velocity, gradient in parts:
            if self.weight_decay and len(variable.shape) > 1:
                variable.value.assign_sub(variable.value * (rate * self.weight_decay))
            tf.raw_ops.ResourceApplyAdam(
                var=variable.value.handle,
                m=momentum.value.handle,
                v=velocity.value.handle,
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=self.beta_1,
                beta2=self.beta_2,
                epsilon=self.epsilon,
                grad=gradient,
            )


def optimizer_of(model: keras.Model, weight_decay: float, others: Sequence[keras.Variable] = ()) -> Optimizer:
    """Make the optimizer of a network's trainable weights, and of others behind them, with all its variables."""
    return prepared(Adam(weight_decay), model, others)


def prepared(optimizer: Optimizer, model: keras.Model, others: Sequence[keras.Variable] = ()) -> Optimizer:
    """Give an optimizer all its variables: those of a network's trainable weights, and of others behind them.

    Small gradients vanish in float16. Where a layer computes in it, Keras's dynamic loss scaling (Micikevicius et al.
    2018) goes around the optimizer: it backpropagates a scaled loss, and takes no step where a gradient overflows.
    """
    if any(layer.compute_dtype == "float16" for layer in model.layers):
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build([*model.trainable_variables, *others])
    return optimizer
