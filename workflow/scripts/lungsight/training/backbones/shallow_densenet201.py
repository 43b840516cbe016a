"""A shallow DenseNet-201 for demonstrations: two layers in each of its four dense blocks."""

from dataclasses import replace
from typing import Any

from lungsight.training.backbones import densenet201

LAYERS = (2, 2, 2, 2)  # of each dense block


def build(size: int) -> Any:
    """Build DenseNet-201 with fewer layers, randomly initialised; a keras.Model from (size, size, 3)."""
    # Keras's public constructors have fixed numbers of layers.
    from keras.src.applications.densenet import DenseNet

    return DenseNet(
        LAYERS,
        include_top=False,
        weights=None,  # pyright: ignore[reportArgumentType]  # Keras takes None, and declares no type
        input_shape=(size, size, 3),
        name="shallow_densenet201",
    )


BACKBONE = replace(
    densenet201.BACKBONE,
    build=build,
    weighed=tuple(f"conv{number}_block{layers}_concat" for number, layers in enumerate(LAYERS, start=2)),
    imagenet_url="",
    imagenet_md5="",
)
