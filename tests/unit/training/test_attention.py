"""Attention modules: against NumPy and the paper's number of weights, and in a network with other weights."""

import json
import zipfile
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from lungsight.audit.model_outputs import ModelOutputs
from lungsight.audit.sanity_checks import blocks_of
from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.attention import BlockAttention, channel_attention, spatial_attention
from lungsight.training.network import LOGIT, build_classifier, load_classifier, make_inference, to_input
from lungsight.training.stage_training import Start, architecture_of, in_float32
from tests.factories.treatments import BACKBONE, DEFAULTS, SETTINGS, SIZE

CBAM = {"remedy": {"name": "cbam"} | DEFAULTS["cbam"]}
PLACES = 7


def module(reduction: int = 2) -> keras.Model:
    """One module with random weights and statistics."""
    keras.utils.set_random_seed(2)
    features: Any = keras.Input((PLACES, PLACES, 6))
    model = keras.Model(features, spatial_attention(channel_attention(features, reduction, "m"), "m"))
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.2, 1.0, weight.shape) - 0.3 * (weight.ndim > 1) for weight in model.get_weights()])
    return model


def test_a_module_is_the_formula_of_the_paper() -> None:
    model = module()
    features = np.random.default_rng(1).normal(size=(2, PLACES, PLACES, 6))
    weights = {layer.name.removeprefix("m_"): [w.astype(float) for w in layer.get_weights()] for layer in model.layers}

    def mlp(pooled: np.ndarray) -> np.ndarray:
        (first, offset), (second, last) = weights["squeeze"], weights["excite"]
        return np.maximum(pooled @ first + offset, 0) @ second + last

    channels = expit(mlp(features.mean(axis=(1, 2))) + mlp(features.max(axis=(1, 2))))
    refined = features * channels[:, None, None, :]
    maps = np.stack([refined.max(axis=3), refined.mean(axis=3)], axis=3)
    kernel, padded = weights["conv"][0][..., 0], np.pad(maps, ((0, 0), (3, 3), (3, 3), (0, 0)))
    score = np.array(
        [
            [[(image[i : i + 7, j : j + 7] * kernel).sum() for j in range(PLACES)] for i in range(PLACES)]
            for image in padded
        ]
    )
    gamma, beta, mean, variance = (value[0] for value in weights["bn"])
    places = expit(gamma * (score - mean) / np.sqrt(variance + 1e-5) + beta)
    np.testing.assert_allclose(model(features), refined * places[..., None], rtol=1e-4, atol=1e-5)


@lru_cache
def base_of(name: str) -> keras.Model:
    return backbones.load(name).build(32)


def test_every_place_starts_at_one_half() -> None:
    features: Any = keras.Input((PLACES, PLACES, 6))
    model = keras.Model(features, spatial_attention(features, "m"))
    values = np.random.default_rng(1).normal(size=(2, PLACES, PLACES, 6)).astype(np.float32)
    np.testing.assert_allclose(model(values, training=True), values / 2, rtol=1e-6)


def consumers(model: keras.Model, name: str) -> list[str]:
    """Name the layers that see the output of a layer."""
    output = model.get_layer(name).output
    return [layer.name for layer in model.layers for each in keras.tree.flatten(layer.input) if each is output]


@pytest.mark.parametrize(("name", "modules"), [("resnet50", 16), ("densenet201", 4), ("densenet121", 4)])
def test_residual_branches_and_dense_blocks_are_weighed(name: str, modules: int) -> None:
    backbone = backbones.load(name)
    base, weighed = base_of(name), backbone.weighed
    assert len(weighed) == modules == len(set(weighed))
    if name == "resnet50":
        expected = {layer.name: [layer.name.replace("_3_bn", "_add")] for layer in base.layers if "3_bn" in layer.name}
    else:  # a block ends before the next transition, or before the last normalisation
        ends = ("pool2_bn", "pool3_bn", "pool4_bn", "bn")
        expected = {name: [end] for name, end in zip(weighed, ends, strict=True)}
    assert {each: consumers(base, each) for each in weighed} == expected


def test_resnet50_has_the_number_of_weights_of_the_paper() -> None:
    """Woo 2018: ResNet-50 25.56 M, with CBAM 28.09 M. Keras's ResNet-50 has offsets in its convolutions besides."""
    backbone = backbones.load("resnet50")
    base = base_of("resnet50")
    weighed = BlockAttention(CBAM["remedy"]).base(base, backbone)
    top = 2048 * 1000 + 1000
    offsets = sum(layer.filters for layer in base.layers if isinstance(layer, keras.layers.Conv2D))
    plain, found = (
        sum(int(np.prod(variable.shape)) for variable in network.trainable_variables) + top - offsets
        for network in (base, weighed)
    )
    assert offsets == 26_560
    assert plain == 25_557_032
    assert found == 28_089_624
    # Per module: two layers of the MLP with their offsets, 7 × 7 × 2, scale and offset.
    widths = np.repeat([256, 512, 1024, 2048], [3, 4, 6, 3])
    assert found - plain == int((2 * widths * (widths // 16) + widths + widths // 16 + 98 + 2).sum())
    assert weighed.count_params() - base.count_params() == found - plain + 2 * 16  # and moving statistics
    assert weighed.get_layer(backbone.explained_layer).output is weighed.output


def weights_file(folder: Path) -> tuple[Path, keras.Model]:
    keras.utils.set_random_seed(5)
    base = BACKBONE.build(SIZE)
    base.save_weights(folder / "base.weights.h5")
    return folder / "base.weights.h5", base


def test_start_weights_are_those_of_the_backbone_by_layer(tmp_path: Path) -> None:
    path, base = weights_file(tmp_path)
    model = build_classifier(BACKBONE, SETTINGS, path, architecture=BlockAttention(CBAM["remedy"]))
    for layer in base.layers:
        for own, of_file in zip(model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(own, of_file)
    assert sum(layer.name.endswith("_cbam_weighed") for layer in model.layers) == 4
    other = tmp_path / "other.weights.h5"
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(other)
    with pytest.raises(UserError, match="does not hold weights without top of this backbone"):
        build_classifier(BACKBONE, SETTINGS, other, architecture=BlockAttention(CBAM["remedy"]))


def modules_of(described: object) -> set[str]:
    """Collect the modules of Python that a saved network names."""
    if isinstance(described, dict):
        own = {str(described["module"])} if "module" in described else set()
        return own.union(*map(modules_of, described.values()))
    return set().union(*map(modules_of, described)) if isinstance(described, list) else set()


@pytest.mark.parametrize("name", ["cbam", "detrac"])
@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_the_saved_model_is_of_keras_own_layers_and_computes_the_same(
    name: str, precision: str, tmp_path: Path
) -> None:
    settings = SETTINGS | {"precision": precision, "remedy": {"name": name} | DEFAULTS[name]}
    model = Start().build("small_cnn", BACKBONE, settings)
    saved = in_float32(model, BACKBONE, settings)
    saved.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as archive:
        config = json.loads(archive.read("config.json"))
    assert modules_of(config) <= {"keras", "keras.layers", "keras.initializers", "keras.src.models.functional"}
    assert "Lambda" not in json.dumps(config)
    loaded = load_classifier(tmp_path / "model.keras")
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8)
    found = make_inference(loaded, BACKBONE)(images)
    np.testing.assert_allclose(found, saved(to_input(BACKBONE, images)), atol=1e-6)
    np.testing.assert_allclose(found, model(to_input(BACKBONE, images)), atol=1e-6 if precision == "float32" else 0.02)


def test_stage_2_starts_from_the_model_of_stage_1(tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    settings = SETTINGS | CBAM | {"precision": "float32"}
    parent = Start().build("small_cnn", BACKBONE, settings)
    parent.save(tmp_path / "model.keras")
    described = {"backbone": "small_cnn", "preprocessing": BACKBONE.preprocessing, "image_size": SIZE}
    (tmp_path / "provenance.json").write_text(json.dumps(described), encoding="utf-8")
    start = Start.of({"parent": str(tmp_path)})
    for own, of_parent in zip(
        start.build("small_cnn", BACKBONE, settings).get_weights(), parent.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(own, of_parent)
    with pytest.raises(UserError, match="does not hold the model of stage 1"):
        start.build("small_cnn", BACKBONE, SETTINGS | {"precision": "float32"})


@pytest.mark.parametrize("name", ["cbam", "detrac"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_audit_and_the_maps_take_the_network_as_any_other(name: str, outputs: int) -> None:
    """Logits and Grad-CAM of the audit's traced function are those of Keras's layers, called one by one."""
    keras.utils.set_random_seed(4)
    architecture = architecture_of({"remedy": {"name": name} | DEFAULTS[name]})
    model = build_classifier(BACKBONE, SETTINGS, outputs=outputs, architecture=architecture)
    images = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE), dtype=np.uint8)
    found = ModelOutputs(model, BACKBONE)(images)
    layers = keras.Model(model.input, [model.get_layer(BACKBONE.explained_layer).output, model.get_layer(LOGIT).output])
    behind = keras.Model(model.get_layer(BACKBONE.explained_layer).output, model.get_layer(LOGIT).output)
    features, logits = layers(to_input(BACKBONE, images))
    np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
    with tf.GradientTape() as tape:
        tape.watch(features)
        score = tf.reduce_sum(behind(features)[:, -1])
    gradient = tape.gradient(score, features).numpy()
    expected = (gradient.mean(axis=(1, 2), keepdims=True) * features.numpy()).sum(axis=-1)
    np.testing.assert_allclose(found.cams[:, -1], expected, rtol=1e-3, atol=1e-5)
    blocks = {key: [layer.name for layer in layers] for key, layers in blocks_of(model).items()}
    assert list(blocks) == ["head", "stride 8", "stride 4", "stride 2", "stride 1"]
    if name == "cbam":
        of_module = [f"bn2_cbam_{part}" for part in ("squeeze", "excite", "conv", "bn")]
        assert sorted(blocks["stride 2"]) == sorted(["bn2", "conv2", *of_module])
    else:
        assert blocks["head"] == ["sub_logits", "hidden"]
