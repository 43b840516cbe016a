"""A shallow ResNet-50 for demonstrations: one block of each stage, three of the last, and half the filters."""

from dataclasses import replace
from typing import Any

from lungsight.training.backbones import resnet50

STAGES = {"conv2": (32, 1), "conv3": (64, 1), "conv4": (128, 1), "conv5": (256, 3)}  # filters and blocks


def build(size: int) -> Any:
    """Build ResNet-50 with fewer blocks and filters, randomly initialised; a keras.Model from (size, size, 3)."""
    # Keras's public constructors have fixed numbers of blocks.
    from keras.src.applications.resnet import ResNet, stack_residual_blocks_v1

    def stages(features: Any) -> Any:
        for name, (filters, blocks) in STAGES.items():
            stride = 1 if name == "conv2" else 2
            features = stack_residual_blocks_v1(features, filters, blocks, stride1=stride, name=name)
        return features

    return ResNet(
        stages,
        preact=False,
        use_bias=True,
        include_top=False,
        weights=None,  # pyright: ignore[reportArgumentType]  # Keras takes None, and declares no type
        input_shape=(size, size, 3),
        name="shallow_resnet50",
        weights_name="",
    )


BACKBONE = replace(
    resnet50.BACKBONE,
    build=build,
    layers_by_stride={32: "conv5_block3_out", 16: "conv4_block1_out", 8: "conv3_block1_out"},
    weighed=tuple(f"{stage}_block{block}_3_bn" for stage, (_, n) in STAGES.items() for block in range(1, n + 1)),
    imagenet_url="",
    imagenet_md5="",
)
