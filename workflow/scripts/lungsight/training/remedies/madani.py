"""Train stage 2 by the labels of stage 1's cohort, and by its own slices beside generated ones, without their labels.

The semi-supervised discriminator of Madani et al. (2018, chest X-ray classification with ability of data domain
adaptation), by the loss of Salimans et al. (2016): the network has an output more, for "generated". The classes are
learned from labelled images of stage 1's cohort. Images of stage 2's cohort are to be real, of whatever class, and
generated ones are not. The training labels of stage 2's cohort move nothing; its validation labels measure. One
generator without classes is trained before, on stage 2's cohort, and stays as it is: in the paper both learn together.
Stage 1 has one cohort, and is trained as ever. It costs a step on three times as many images, and the generator.
"""

from typing import Any

from lungsight.training.remedies import COMPANION, GENERATED, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.semi_supervised import SemiSupervised  # here, not above: as in lung_swap

    return SemiSupervised(material)


REMEDY = Remedy(treatment, needs=(COMPANION, GENERATED), generator_of_each_class=False)
