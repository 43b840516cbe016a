"""Give every training picture a random style.

Random gamma, contrast, shift of the window, low-pass, noise and JPEG at random quality, and MixStyle on early features
(Zhou et al. 2021, Domain generalization with MixStyle), so that how a picture was made tells nothing. It costs the
compression of the pictures in each step.
"""

from typing import Any

from lungsight.training.remedies import MAKING, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.styles import RandomStyle  # here, not above: as in lung_swap

    return RandomStyle(material)


REMEDY = Remedy(treatment, instruments=(MAKING,))
