"""A shallow DenseNet-201 for demonstrations: two layers in each of its four dense blocks."""

from typing import Any

from lungsight.training.backbones import Backbone, densenet201

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


BACKBONE = Backbone(
    build=build,
    preprocess=densenet201.BACKBONE.preprocess,
    preprocessing=densenet201.BACKBONE.preprocessing,
    explained_layer="relu",
    layers_by_stride={32: "relu", 16: "pool4_relu", 8: "pool3_relu"},
    blocks=5,
    min_size=32,
    weighed=tuple(f"conv{number}_block{layers}_concat" for number, layers in enumerate(LAYERS, start=2)),
)
