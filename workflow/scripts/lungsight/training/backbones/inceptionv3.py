"""Inception v3 (Szegedy et al. 2016), GoogLeNet's third version."""

from lungsight.training.backbones import Backbone, application

BACKBONE = Backbone(
    **application("InceptionV3", "inception_v3"),
    preprocessing="keras.applications.inception_v3.preprocess_input: RGB in [-1, 1]",
    explained_layer="mixed10",
    layers_by_stride={32: "mixed10", 16: "mixed7", 8: "mixed2"},
    blocks=5,
    min_size=75,
    imagenet_url="https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/"
    "inception_v3_weights_tf_dim_ordering_tf_kernels_notop.h5",
    imagenet_md5="bcbd6486424b2319ff4ef7d526e38f63",
)
