"""ResNet-50 (He et al. 2016)."""

from lungsight.training.backbones import Backbone, application

BLOCKS = {2: 3, 3: 4, 4: 6, 5: 3}  # of each stage, by Keras's numbers

BACKBONE = Backbone(
    **application("ResNet50", "resnet50"),
    preprocessing="keras.applications.resnet50.preprocess_input: BGR, ImageNet mean subtracted",
    explained_layer="conv5_block3_out",
    layers_by_stride={32: "conv5_block3_out", 16: "conv4_block6_out", 8: "conv3_block4_out"},
    blocks=5,
    min_size=32,
    weighed=tuple(f"conv{stage}_block{block}_3_bn" for stage, n in BLOCKS.items() for block in range(1, n + 1)),
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="4d473c1dd8becc155b73f8504c6f6626",
)
