"""Train on generated slices too, which a generator of each class draws.

A deep convolutional generative adversarial network (Radford et al. 2016) for every class, on the training patients of
the stage's cohort alone. In every step each slice is replaced by a generated one of its class with the probability
share, before augmentation. Validation, tests, quality control and maps see real slices alone. Generated slices have
64 x 64 pixels and are enlarged to the size of the network's images: they hold no detail finer than a 64th of the
image's side. The generators are trained once for each cohort and input view; training itself costs no more.
"""

from typing import Any

from lungsight.training.remedies import GENERATED, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.generated import WithGenerated  # here, not above: as in lung_swap

    return WithGenerated(material)


REMEDY = Remedy(treatment, needs=(GENERATED,))
