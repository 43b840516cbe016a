"""Xception (Chollet 2017)."""

from lungsight.training.backbones import Backbone, application

BACKBONE = Backbone(
    **application("Xception", "xception"),
    preprocessing="keras.applications.xception.preprocess_input: RGB in [-1, 1]",
    explained_layer="block14_sepconv2_act",
    layers_by_stride={32: "block14_sepconv2_act", 16: "block13_sepconv2_act", 8: "block4_sepconv2_act"},
    blocks=5,
    min_size=71,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/xception/"
    "xception_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="b0042744bf5b25fce3cb969f33bebb97",
)
