"""Minimise the loss of the worst group of source and class.

Group DRO (Sagawa et al. 2020, Distributionally robust neural networks for group shifts): the weight of a group grows
with its loss. It needs strong weight decay, which is a setting of its own, and sources that hold several classes. Where
source and class coincide it is refused; with one source it weighs the classes alone. It costs nothing.
"""

from typing import Any

from lungsight.training.remedies import SOURCES, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.group_weights import GroupDro  # here, not above: as in lung_swap

    return GroupDro(material)


REMEDY = Remedy(treatment, needs=(SOURCES,))
