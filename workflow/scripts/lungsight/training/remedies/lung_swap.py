"""Put the lung of a training slice into the body of another patient.

With the probability of the settings the background is that of a patient of another class, and equally often that of
another patient of the same class, so that neither background nor seam tells the class; the label follows the lung. The
donor's slice is at the same height, and the seam is feathered. The idea is that of the audit's own swap, and of Xiao et
al. 2021 (Noise or signal: the role of image backgrounds in object recognition). It costs a second image and two masks
for each slice of a step. A slice whose lung mask did not pass quality control stays as it is.
"""

from typing import Any

from lungsight.training.remedies import LUNGS, SWAP, Remedy


def treatment(material: Any) -> Any:
    """Make the treatment of a training."""
    from lungsight.training.swapping import Swap  # here, not above: a config is checked without TensorFlow

    return Swap(material)


REMEDY = Remedy(treatment, input_views=("whole",), needs=(LUNGS,), instruments=(SWAP,))
