"""EfficientNet-B4 (Tan and Le 2019).

The network takes raw intensities: it divides by 255 and standardises by itself. With its own download of the ImageNet
weights, and only then, Keras adds a division by the root of ImageNet's deviation, which the weights were trained with.
That factor is part of the preprocessing here, so that it is there wherever the weights come from.
"""

from typing import Any

from lungsight.training.backbones import Backbone, application

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB in [0, 1]


def preprocess(images: Any) -> Any:
    """(n, size, size, 3) in 0–255 → the same about ImageNet's mean, divided by the root of its deviation."""
    mean, root = ([255 * value for value in MEAN], [value**0.5 for value in DEVIATION])
    return (images - mean) / root + mean


BACKBONE = Backbone(
    build=application("EfficientNetB4", "efficientnet")["build"],
    preprocess=preprocess,
    preprocessing="RGB in 0-255, its distance from the ImageNet mean divided by the root of the ImageNet deviation",
    explained_layer="top_activation",
    layers_by_stride={32: "top_activation", 16: "block6a_expand_activation", 8: "block4a_expand_activation"},
    min_size=32,
    imagenet_url="https://storage.googleapis.com/keras-applications/efficientnetb4_notop.h5",
    imagenet_md5="ebc24e6d6c33eaebbd558eafbeedf1ba",
)
