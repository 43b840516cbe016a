"""A small network for quick experiments: four blocks of convolution, batch normalisation and ReLU."""

from typing import Any

from lungsight.training.backbones import Backbone

FILTERS = (16, 32, 64, 128)


def build(size: int) -> Any:
    """Build four blocks with a 2×2 maximum between them, randomly initialised; a keras.Model from (size, size, 3)."""
    import keras  # here, not above: a config is checked without TensorFlow

    images = features = keras.Input((size, size, 3), name="images")
    for number, filters in enumerate(FILTERS, start=1):
        if number > 1:
            features = keras.layers.MaxPooling2D(name=f"pool{number - 1}")(features)
        features = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, name=f"conv{number}")(features)
        features = keras.layers.BatchNormalization(name=f"bn{number}")(features)
        features = keras.layers.Activation("relu", name=f"relu{number}")(features)
    return keras.Model(images, features, name="small_cnn")


def preprocess(images: Any) -> Any:
    """Scale 0-255 to [−1, 1]."""
    return images / 127.5 - 1.0


BACKBONE = Backbone(
    build=build,
    preprocess=preprocess,
    preprocessing="x / 127.5 - 1",
    explained_layer="relu4",
    layers_by_stride={8: "relu4", 4: "relu3", 2: "relu2"},
    blocks=4,
    min_size=16,
    weighed=tuple(f"bn{number}" for number in range(1, len(FILTERS) + 1)),
)
