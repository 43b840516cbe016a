"""Train stage 2 on both cohorts, each with batch normalisation of its own.

Joint training with domain-specific batch normalisation (Chang et al. 2019; Wang, Liu and Dou 2020, Contrastive
cross-site learning): in every step of stage 2 as many images of stage 1's cohort as of its own, of the same classes, go
through the same convolutions, with statistics, scales and offsets of their own. The model keeps those of stage 2's
cohort. Stage 1 has one cohort, and is trained as ever. Statistics are not frozen. It costs a second pass in each step.
"""

from typing import Any

from lungsight.training.remedies import COMPANION, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.domains import DomainNorm  # here, not above: as in lung_swap

    return DomainNorm(material)


REMEDY = Remedy(treatment, training={"batch_norm_frozen": False}, needs=(COMPANION,))
