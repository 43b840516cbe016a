"""Part every class into sub-classes that look alike, and train on these.

DeTraC (Abbas et al. 2021): the pooled features of the network at its start, of training slices alone, go through a
principal component analysis; k-means parts each class. The network learns k logits for each class, and composes the
logit of a class of them: log Σ exp, so that its probability is the sum of theirs. The model gives the same outputs as
without. Stage 2 parts its own cohort by the model of stage 1. It costs one forward pass of the training slices, and
k-means.
"""

from typing import Any

from lungsight.training.remedies import PATIENTS, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.sub_classes import Decomposition  # here, not above: as in lung_swap

    return Decomposition(material)


def architecture(settings: dict[str, Any]) -> Any:
    """Make the architecture of a network."""
    from lungsight.training.sub_classes import Composition

    return Composition(settings)


REMEDY = Remedy(treatment, architecture, needs=(PATIENTS,))
