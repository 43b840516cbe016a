"""The learning rate of every step."""

import math


def learning_rate_at(step: int, steps: int, warmup: int, start: float, schedule: str) -> float:
    """The rate of one step of a training, 0-based.

    It rises in a straight line over the first `warmup` steps to `start`; then it stays ("constant") or falls along half
    a cosine towards 0 ("cosine", Loshchilov and Hutter 2017), which it would reach one step after the last.
    """
    if step < warmup:
        return start * (step + 1) / warmup
    if schedule == "constant":
        return start
    return start * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
