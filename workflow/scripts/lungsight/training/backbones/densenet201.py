"""DenseNet-201 (Huang et al. 2017)."""

from lungsight.training.backbones import Backbone, application

BACKBONE = Backbone(
    **application("DenseNet201", "densenet"),
    preprocessing="keras.applications.densenet.preprocess_input: RGB in [0, 1], ImageNet mean and deviation",
    explained_layer="relu",
    layers_by_stride={32: "relu", 16: "pool4_relu", 8: "pool3_relu"},
    blocks=5,
    min_size=32,
    weighed=("conv2_block6_concat", "conv3_block12_concat", "conv4_block48_concat", "conv5_block32_concat"),
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/densenet/"
    "densenet201_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="c13680b51ded0fb44dff2d8f86ac8bb1",
)
