"""Grad-CAM against tf-keras-vis, and the traps of sigmoid, sign and layer."""

import keras
import numpy as np
import pytest

from lungsight.errors import UserError
from lungsight.explain.gradcam import PRIMARY, THESIS, GradCam, Target, methods_for, primary_target, thesis_target


def with_head(base: keras.Model) -> keras.Model:
    """A flat classifier on a base, shaped as the training room builds it."""
    pooled = keras.layers.GlobalAveragePooling2D()(base.output)
    hidden = keras.layers.Dense(8, activation="sigmoid")(pooled)
    logit = keras.layers.Dense(1, name="logit")(hidden)
    return keras.Model(base.input, keras.layers.Activation("sigmoid", name="probability")(logit))


def small_base() -> keras.Model:
    """Two convolutions; the second is followed by batch normalisation and ReLU, as in the large networks."""
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


def library_maps(model: keras.Model, images: np.ndarray, sign: np.ndarray, **settings: object) -> np.ndarray:
    """Grad-CAM by tf-keras-vis, at layer resolution and not normalised."""
    from tf_keras_vis.gradcam import Gradcam

    def score(output: keras.KerasTensor) -> keras.KerasTensor:
        return output[:, 0] * sign

    return np.asarray(Gradcam(model)(score, images, expand_cam=False, normalize_cam=False, **settings))


@pytest.mark.parametrize(("name", "layer"), [("small_model", "last_features"), ("resnet", "conv5_block3_out")])
def test_maps_are_tf_keras_viss_on_the_signed_logit(request: pytest.FixtureRequest, name: str, layer: str) -> None:
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
def test_thesis_maps_are_tf_keras_viss_defaults(request: pytest.FixtureRequest, name: str, layer: str) -> None:
    model = request.getfixturevalue(name)
    images = images_for(model)
    target = thesis_target(model)
    assert target.layer == layer
    expected = library_maps(model, images, np.float32(1))
    maps = GradCam(model, {THESIS: target})(images, positive=np.zeros(len(images), bool))[THESIS]
    np.testing.assert_allclose(maps, expected, rtol=1e-4, atol=1e-9)


def test_both_methods_at_once_are_each_alone(small_model: keras.Model) -> None:
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
    """A copy of the model whose logit is shifted by `bias`."""
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    kernel, _ = copy.get_layer("logit").get_weights()
    copy.get_layer("logit").set_weights([kernel, np.array([bias])])
    return copy


def test_saturated_sigmoid_empties_the_thesis_map_but_not_the_logits(small_model: keras.Model) -> None:
    sure = biased(small_model, 200.0)
    images = images_for(sure)
    assert (np.asarray(sure(images)) == 1).all()
    maps = GradCam(sure, methods_for(sure, "last_features"))(images, np.ones(len(images), bool))
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
    probability = keras.layers.Activation("sigmoid", name="probability")(two)
    with pytest.raises(UserError, match="one is expected"):
        GradCam(keras.Model(small_model.input, probability), {PRIMARY: primary_target("last_features")})


def test_a_layer_without_space_is_refused(small_model: keras.Model) -> None:
    with pytest.raises(UserError, match="no stack of feature maps"):
        GradCam(small_model, {PRIMARY: Target("logit", "logit", signed=True)})
