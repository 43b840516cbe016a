"""Penalise the gradient of the logit by the pixels outside of the lung.

Ross, Hughes and Doshi-Velez 2017 (Right for the right reasons: training differentiable models by constraining their
explanations): the loss gets strength × Σ (∂ logit / ∂ grey)² over the pixels outside of the lung and its margin.
With strength null every candidate is trained, and validation chooses: the strongest whose accuracy is at most one
standard error below the best. It costs a second gradient in each step, and a training for each candidate. A slice whose
lung mask did not pass quality control is not penalised.
"""

from typing import Any

from lungsight.training.remedies import LUNGS, MAPS, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.penalties import BackgroundPenalty  # here, not above: as in lung_swap

    return BackgroundPenalty(material)


REMEDY = Remedy(treatment, input_views=("whole",), needs=(LUNGS,), instruments=(MAPS,))
