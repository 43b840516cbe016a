"""CAM methods against tf-keras-vis, and the traps of sigmoid, sign and layer."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
from scipy.ndimage import zoom

from lungsight.errors import UserError
from lungsight.explain.gradcam import (
    PRIMARY,
    THESIS,
    GradCam,
    Target,
    grad_cam_plus_plus,
    layer_cam,
    methods_for,
    primary_target,
    thesis_target,
)
from lungsight.explain.methods import gradient_methods
from lungsight.explain.scorecam import ScoreCam
from lungsight.training import backbones

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports from a namespace that SciPy is about to drop
    from tf_keras_vis.gradcam import Gradcam
    from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
    from tf_keras_vis.layercam import Layercam


def with_head(base: keras.Model) -> keras.Model:
    """Build a flat classifier on a base, shaped as `training.network` builds it."""
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    hidden = keras.layers.Dense(8, activation="sigmoid")(pooled)
    logit = keras.layers.Dense(1, name="logit")(hidden)
    return keras.Model(base.input, keras.layers.Activation("sigmoid", name="probability")(logit))


def small_base() -> keras.Model:
    """Build two convolutions; the second is followed by batch normalisation and ReLU, as in the large networks."""
    inputs = keras.Input((24, 24, 3))
    x = keras.layers.Conv2D(6, 3, strides=2, activation="relu")(inputs)
    x = keras.layers.Conv2D(6, 3, strides=2, name="last_convolution")(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.Model(inputs, keras.layers.ReLU(name="last_features")(x))


@pytest.fixture(scope="module")
def small_model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return with_head(small_base())


@pytest.fixture(scope="module")
def resnet() -> keras.Model:
    keras.utils.set_random_seed(4)
    return with_head(keras.applications.ResNet50(include_top=False, weights=None, input_shape=(64, 64, 3)))


def images_for(model: keras.Model, n: int = 5) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 3, (n, *model.input_shape[1:])).astype(np.float32)


def library_maps(
    model: keras.Model, images: np.ndarray, sign: np.ndarray, method: type = Gradcam, **settings: object
) -> np.ndarray:
    """Compute maps by a method of tf-keras-vis, at layer resolution and not normalised."""

    def score(output: keras.KerasTensor) -> keras.KerasTensor:
        return output[:, 0] * sign

    return np.asarray(method(model)(score, images, expand_cam=False, normalize_cam=False, **settings))


@pytest.mark.parametrize(("name", "layer"), [("small_model", "last_features"), ("resnet", "conv5_block3_out")])
def test_maps_equal_tf_keras_vis_on_the_signed_logit(request: pytest.FixtureRequest, name: str, layer: str) -> None:
    model = request.getfixturevalue(name)
    images = images_for(model)
    positive = np.arange(len(images)) % 2 == 0
    maps = GradCam(model, {PRIMARY: primary_target(layer)})(images, positive)[PRIMARY]
    sign = np.where(positive, 1.0, -1.0).astype(np.float32)
    linear = keras.Model(model.input, model.get_layer("logit").output)
    expected = library_maps(linear, images, sign, penultimate_layer=layer, seek_penultimate_conv_layer=False)
    assert (expected.max(axis=(1, 2)) > 0).all()
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("name", "layer"), [("small_model", "last_convolution"), ("resnet", "conv5_block3_3_conv")])
def test_thesis_maps_equal_the_defaults_of_tf_keras_vis(request: pytest.FixtureRequest, name: str, layer: str) -> None:
    model = request.getfixturevalue(name)
    images = images_for(model)
    target = thesis_target(model)
    assert target.layer == layer
    expected = library_maps(model, images, np.float32(1))
    maps = GradCam(model, {THESIS: target})(images, numbers=np.zeros(len(images), int))[THESIS]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-9)


def test_methods_computed_together_equal_each_alone(small_model: keras.Model) -> None:
    methods, images = methods_for(small_model, "last_features"), images_for(small_model)
    positive = np.arange(len(images)) < 2
    together = GradCam(small_model, methods)(images, positive)
    assert list(together) == [PRIMARY, THESIS]
    for name, target in methods.items():
        alone = GradCam(small_model, {name: target})(images, positive)[name]
        np.testing.assert_allclose(alone, together[name], rtol=1e-5, atol=1e-9)


def test_a_map_does_not_depend_on_its_batch(small_model: keras.Model) -> None:
    explainer = GradCam(small_model, {PRIMARY: primary_target("last_features")})
    images = images_for(small_model)
    positive = np.arange(len(images)) % 2 == 0
    together = explainer(images, positive)[PRIMARY]
    alone = np.concatenate([explainer(images[[k]], positive[[k]])[PRIMARY] for k in range(len(images))])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-7)


def biased(model: keras.Model, bias: float) -> keras.Model:
    """Copy the model with its logit shifted by `bias`."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, _ = copy.get_layer("logit").get_weights()
    copy.get_layer("logit").set_weights([kernel, np.array([bias])])
    return copy


def test_saturated_sigmoid_empties_the_thesis_map_but_not_the_logits(small_model: keras.Model) -> None:
    saturated = biased(small_model, 200.0)
    images = images_for(saturated)
    assert (np.asarray(saturated(images)) == 1).all()
    maps = GradCam(saturated, methods_for(saturated, "last_features"))(images, np.ones(len(images), bool))
    assert maps[PRIMARY].max() > 0
    assert maps[THESIS].max() == 0


def test_a_predicted_negative_is_explained_by_minus_the_logit(small_model: keras.Model) -> None:
    images = images_for(small_model)
    method = {PRIMARY: primary_target("last_features")}
    negative = GradCam(small_model, method)(images, np.zeros(len(images), bool))[PRIMARY]
    flipped = biased(small_model, 0.0)
    kernel, bias = flipped.get_layer("logit").get_weights()
    flipped.get_layer("logit").set_weights([-kernel, bias])
    positive = GradCam(flipped, method)(images, np.ones(len(images), bool))[PRIMARY]
    np.testing.assert_allclose(positive, negative, rtol=1e-5)


def test_a_nested_backbone_is_refused_with_the_remedy() -> None:
    base = small_base()
    inputs = keras.Input((24, 24, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base(inputs))
    logit = keras.layers.Dense(1, name="logit")(pooled)
    nested = keras.Model(inputs, keras.layers.Activation("sigmoid", name="probability")(logit))
    with pytest.raises(UserError, match=r"no layer last_features.*hides a model in .*base's output"):
        GradCam(nested, {PRIMARY: primary_target("last_features")})


def test_another_output_is_refused(small_model: keras.Model) -> None:
    two = keras.layers.Dense(2, name="logit")(small_model.layers[-3].output)
    probability = keras.layers.Dense(1, name="probability")(two)
    with pytest.raises(UserError, match="values an image; one for each logit is expected"):
        GradCam(keras.Model(small_model.input, probability), {PRIMARY: primary_target("last_features")})


def test_a_layer_without_space_is_refused(small_model: keras.Model) -> None:
    with pytest.raises(UserError, match="gives no feature maps"):
        GradCam(small_model, {PRIMARY: Target("logit", "logit", signed=True)})


# The kernels of oneDNN round otherwise on each processor, and in a graph otherwise than op by op, as the library
# runs: a ReLU whose input is about 0 then lets another gradient through. So ResNet-50 is compared without them.
ON_PLAIN_KERNELS = os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0"
PEERS = {"gradcam_plus_plus": grad_cam_plus_plus, "layercam": layer_cam}


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        *(("small_model", "last_features"), ("small_model", "last_convolution"), ("resnet", "conv5_block3_out")),
        *(("resnet", "conv4_block6_out"), ("resnet", "conv3_block4_out")),
    ],
)
def test_other_gradient_methods_equal_tf_keras_vis(request: pytest.FixtureRequest, name: str, layer: str) -> None:
    """Compare at the pooled layer, and before it, where the gradient differs from pixel to pixel."""
    if name == "resnet" and not ON_PLAIN_KERNELS:
        pytest.skip("test_other_gradient_methods_of_resnet_equal_tf_keras_vis runs it in a process of its own")
    model = request.getfixturevalue(name)
    images, positive = images_for(model), np.arange(5) % 2 == 0
    sign = np.where(positive, 1.0, -1.0).astype(np.float32)
    methods = {method: Target(layer, "logit", True, weighting) for method, weighting in PEERS.items()}
    maps = GradCam(model, methods)(images, positive)
    linear = keras.Model(model.input, model.get_layer("logit").output)
    where = {"penultimate_layer": layer, "seek_penultimate_conv_layer": False}
    assert_same_maps(maps["layercam"], library_maps(linear, images, sign, Layercam, **where))
    # The library's map has the factor exp(score) of the paper.
    score = sign[:, None, None] * np.asarray(linear(images))[:, :, None]
    assert_same_maps(
        maps["gradcam_plus_plus"] * np.exp(score), library_maps(linear, images, sign, GradcamPlusPlus, **where)
    )


@pytest.mark.skipif(ON_PLAIN_KERNELS, reason="it runs this file with them")
def test_other_gradient_methods_of_resnet_equal_tf_keras_vis() -> None:
    chosen = [__file__, "-k", "test_other_gradient_methods_equal_tf_keras_vis and resnet"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen],
        env=os.environ | {"TF_ENABLE_ONEDNN_OPTS": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout


def assert_same_maps(maps: np.ndarray, expected: np.ndarray) -> None:
    """Require maps that are not empty and differ by at most 1e-4 of their maximum."""
    assert (expected.max(axis=(1, 2)) > 0).all()
    highest = expected.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(maps / highest, expected / highest, atol=1e-4)


def test_at_the_pooled_layer_grad_cam_plus_plus_equals_layer_cam(resnet: keras.Model) -> None:
    methods = {name: Target("conv5_block3_out", "logit", True, weighting) for name, weighting in PEERS.items()}
    first, second = GradCam(resnet, methods)(images_for(resnet), np.ones(5, bool)).values()
    np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6 * second.max())


def test_grad_cam_plus_plus_is_finite_where_exp_of_the_score_overflows(small_model: keras.Model) -> None:
    saturated = biased(small_model, 200.0)
    methods = {"gradcam_plus_plus": Target("last_features", "logit", True, grad_cam_plus_plus)}
    maps = GradCam(saturated, methods)(images_for(saturated), np.ones(5, bool))["gradcam_plus_plus"]
    assert np.isfinite(maps).all()
    assert (maps.max(axis=(1, 2)) > 0).all()


def test_a_gradient_that_is_not_finite_shows_in_the_map(small_model: keras.Model) -> None:
    """The square root of exactly 0 has no derivative: the gradient is 0 · ∞."""
    base = small_base()
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    root = keras.layers.Lambda(lambda values: keras.ops.sqrt(keras.ops.relu(values - 1e6)))(pooled)
    logit = keras.layers.Dense(1, name="logit")(root)
    model = keras.Model(base.input, keras.layers.Activation("sigmoid", name="probability")(logit))
    maps = GradCam(model, {PRIMARY: primary_target("last_features")})(images_for(model), np.ones(5, bool))[PRIMARY]
    assert not np.isfinite(maps).any()


def test_score_cam_weights_channels_by_the_probability_of_the_masked_image(small_model: keras.Model) -> None:
    """Against plain loops; the softmax of tf-keras-vis over one output would give every channel the weight 1."""
    images, positive = images_for(small_model), np.array([True, False, True, False, True])
    maps = ScoreCam(small_model, "scorecam", "last_features", channels=6)(images, positive)["scorecam"]
    features = np.asarray(keras.Model(small_model.input, small_model.get_layer("last_features").output)(images))
    for heat, image, channels, predicted in zip(maps, images, features, positive, strict=True):
        expected = np.zeros(heat.shape)
        for channel in np.moveaxis(channels, -1, 0):
            large = zoom(channel, 24 / channel.shape[0], order=1, mode="nearest")
            mask = (large - large.min()) / (np.ptp(large) + 1e-7)
            probability = float(small_model((image * mask[..., None])[None])[0, 0])
            expected += (probability if predicted else 1 - probability) * channel
        np.testing.assert_allclose(heat, np.maximum(expected, 0), rtol=1e-4, atol=1e-6)
    equally_weighted = features.sum(axis=-1)
    assert not np.allclose(maps / maps.max(), equally_weighted / equally_weighted.max(), rtol=1e-2)


def test_score_cam_tries_the_channels_that_vary_most(small_model: keras.Model) -> None:
    image, positive = images_for(small_model, n=1), np.array([True])
    (heat,) = ScoreCam(small_model, "scorecam", "last_features", channels=1)(image, positive)["scorecam"]
    features = np.asarray(keras.Model(small_model.input, small_model.get_layer("last_features").output)(image))[0]
    chosen = features[..., features.std(axis=(0, 1)).argmax()]
    np.testing.assert_allclose(heat / heat.max(), chosen / chosen.max(), rtol=1e-4)


@pytest.mark.parametrize("name", backbones.names())
def test_the_layers_of_a_backbone_have_their_stride(name: str) -> None:
    backbone = backbones.load(name)
    size = max(64, backbone.min_size)
    base = backbone.build(size)
    assert len(base.get_layer(backbone.explained_layer).output.shape) == 4
    for stride, layer in backbone.layers_by_stride.items():
        # Convolutions without padding take up to three pixels of a map.
        rows, columns = base.get_layer(layer).output.shape[1:3]
        assert rows == columns and size // stride - 3 <= rows <= -(-size // stride)


def test_layer_cam_is_computed_at_each_stride_of_the_backbone() -> None:
    chosen = gradient_methods(backbones.load("resnet50"), ["layercam", "gradcam_plus_plus", "scorecam"])
    assert list(chosen) == ["gradcam_plus_plus", "layercam_stride32", "layercam_stride16", "layercam_stride8"]
    assert chosen["layercam_stride8"].layer == "conv3_block4_out"
    assert gradient_methods(backbones.load("resnet50"), []) == {}
