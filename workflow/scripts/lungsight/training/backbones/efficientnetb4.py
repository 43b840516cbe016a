"""EfficientNet-B4 (Tan and Le 2019).

The network takes raw intensities: it divides by 255 and standardises by itself. The ImageNet weights were trained with
one more factor, the root of ImageNet's deviation. Keras divides by it only with its own download of the weights. Here
the division is part of the preprocessing, so that it holds wherever the weights come from.
"""

from typing import Any

from lungsight.training.backbones import Backbone, application

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, of RGB in [0, 1]


def preprocess(images: Any) -> Any:
    """Divide the distance from ImageNet's mean by the root of its deviation; images (n, size, size, 3) in 0-255."""
    mean, root = ([255 * value for value in MEAN], [value**0.5 for value in DEVIATION])
    return (images - mean) / root + mean


BACKBONE = Backbone(
    build=application("EfficientNetB4", "efficientnet")["build"],
    preprocess=preprocess,
    preprocessing="RGB in 0-255, its distance from the ImageNet mean divided by the root of the ImageNet deviation",
    explained_layer="top_activation",
    layers_by_stride={32: "top_activation", 16: "block6a_expand_activation", 8: "block4a_expand_activation"},
    blocks=5,
    min_size=32,
    imagenet_url="https://storage.googleapis.com/keras-applications/efficientnetb4_notop.h5",
    imagenet_md5="ebc24e6d6c33eaebbd558eafbeedf1ba",
)
