"""Train stage 2 on both cohorts, so that the features do not tell the cohort.

Domain-adversarial training (Ganin et al. 2016): in every step of stage 2, as many images of stage 1's cohort as of its
own, of the same classes. A second head tells the cohort from the pooled features. Its gradient reaches them reversed,
times strength × (2 / (1 + exp(−10 p)) − 1), where p is the share of the training that is done. With supervised: false
the training labels of stage 2's cohort are not used; its validation labels measure. Stage 1 has one cohort, and is
trained as ever. It costs a step on twice as many images.
"""

from typing import Any

from lungsight.training.remedies import COMPANION, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.domains import DomainAdversarial  # here, not above: as in lung_swap

    return DomainAdversarial(material)


REMEDY = Remedy(treatment, needs=(COMPANION,))
