"""VGG-16 (Simonyan and Zisserman 2015)."""

from lungsight.training.backbones import Backbone, application

BACKBONE = Backbone(
    **application("VGG16", "vgg16"),
    preprocessing="keras.applications.vgg16.preprocess_input: BGR, ImageNet mean subtracted",
    explained_layer="block5_pool",
    layers_by_stride={32: "block5_pool", 16: "block5_conv3", 8: "block4_conv3"},
    blocks=5,
    min_size=32,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/vgg16/"
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="6d6bbae143d832006294945121d1f1fc",
)
