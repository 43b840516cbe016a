"""Compute the learning rate of every step.

Keras's schedules compute in float32, one operation after the other. Their rates differ from these in the last digit,
and so would every trained weight (docs/benchmarks.md).
"""

import math


def learning_rate_at(step: int, steps: int, warmup: int, start: float, schedule: str) -> float:
    """Compute the learning rate of one step.

    The rate rises in a straight line over the first `warmup` steps and reaches `start` in the last of them. Then it
    stays, or falls along half a cosine (Loshchilov and Hutter 2017). The cosine would reach 0 one step after the last.

    Parameters
    ----------
    step : int
        Number of the step, from 0.
    steps : int
        Steps of the whole training.
    warmup : int
        Steps of the warm-up.
    start : float
        Learning rate after the warm-up.
    schedule : str
        "constant" or "cosine".

    Returns
    -------
    float
        The learning rate.
    """
    if step < warmup:
        return start * (step + 1) / warmup
    if schedule == "constant":
        return start
    return start * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
