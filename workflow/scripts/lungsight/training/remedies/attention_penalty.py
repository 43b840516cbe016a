"""Penalise the share of Grad-CAM that lies outside of the lung.

Guided attention (Li et al. 2018, Tell me where to look: guided attention inference network), with the lung as the
place to look: the share of the map of a slice's own class outside of the lung and its margin, at the layer that is
explained, is added to the loss and ramped up. No gradient goes through the weights of the channels. It costs a gradient
by the last features in each step. A slice whose lung mask did not pass quality control is not penalised.
"""

from typing import Any

from lungsight.training.remedies import LUNGS, MAPS, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.penalties import AttentionPenalty  # here, not above: as in lung_swap

    return AttentionPenalty(material)


REMEDY = Remedy(treatment, input_views=("whole",), needs=(LUNGS,), instruments=(MAPS,))
