"""Let the network weigh channels and places of its feature maps.

CBAM (Woo et al. 2018): channel attention and then spatial attention, in ResNet-50 behind every residual block before
its addition, in a DenseNet behind every dense block, in small_cnn behind every normalised convolution before its
activation. Other backbones have no rule and are refused. In stage 1 the modules are new, also where the backbone starts
from ImageNet weights: both weights start near one half, so that a branch starts at about a quarter. Batch normalisation
is therefore not frozen. It costs a few more layers in each step, and 2.5 million weights in ResNet-50.
"""

from typing import Any

from lungsight.training.remedies import WEIGHED, Remedy


def architecture(settings: dict[str, Any]) -> Any:
    """Make the architecture of a network."""
    from lungsight.training.attention import BlockAttention  # here, not above: a config is checked without TensorFlow

    return BlockAttention(settings)


REMEDY = Remedy(architecture=architecture, training={"batch_norm_frozen": False}, needs=(WEIGHED,))
