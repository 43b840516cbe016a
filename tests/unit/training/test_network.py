"""The network's shape, its fused batch normalisation and its Adam against Keras's own."""

import ast
import re
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.legacy.saving import legacy_h5_format

from lungsight.code.modules import is_docstring
from lungsight.errors import UserError
from lungsight.training import backbones, published_models
from lungsight.training.adam import Adam
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.network import batch_norms, build_classifier, logits_of, make_inference, precision, to_input
from tests.factories.workspace import ROOT

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "sigmoid", "batch_norm_momentum": 0.7}
KERAS_CALL = keras.layers.BatchNormalization.call


@pytest.fixture(autouse=True)
def seed() -> None:
    keras.utils.set_random_seed(3)


def classifier(weights: Path | None = None) -> keras.Model:
    return build_classifier(backbones.load("small_cnn"), SETTINGS, weights)


def test_backbones_are_the_modules_of_their_folder() -> None:
    modules = Path(backbones.__file__).parent.glob("*.py")
    assert backbones.names() == sorted(path.stem for path in modules if path.stem != "__init__")
    with pytest.raises(UserError, match=f"known are {', '.join(backbones.names())}"):
        backbones.load("resnet5")


@pytest.mark.parametrize("name", backbones.names())
def test_a_backbone_is_flat_and_has_the_layer_to_explain(name: str) -> None:
    backbone = backbones.load(name)
    size = max(backbone.min_size, 32)
    base = backbone.build(size)
    assert base.input_shape == (None, size, size, 3)
    assert not any(isinstance(layer, keras.Model) for layer in base.layers)
    assert base.get_layer(backbone.explained_layer).output is base.output


def blocks_of(network: keras.Model) -> int:
    named = (re.match(r"conv\d_block\d+", layer.name) for layer in network.layers)
    return len({match.group() for match in named if match})


@pytest.mark.parametrize(("name", "blocks", "fewer"), [("resnet50", 16, 6), ("densenet201", 98, 8)])
def test_a_shallow_network_has_the_layers_of_its_model_in_fewer_blocks(name: str, blocks: int, fewer: int) -> None:
    model, shallow = backbones.load(name).build(32), backbones.load(f"shallow_{name}").build(32)
    assert (blocks_of(model), blocks_of(shallow)) == (blocks, fewer)
    kinds = {layer.name: type(layer) for layer in model.layers}
    named = [layer for layer in shallow.layers if not re.match("input|keras_tensor|zero_padding", layer.name)]
    assert all(kinds[layer.name] is type(layer) for layer in named)  # Keras numbers the others
    assert shallow.get_layer("conv1_conv").kernel.shape == model.get_layer("conv1_conv").kernel.shape
    assert backbones.load(f"shallow_{name}").preprocess is backbones.load(name).preprocess


@pytest.mark.parametrize("name", [name for name in backbones.names() if backbones.load(name).imagenet_url])
def test_the_smallest_image_is_the_one_that_keras_allows(name: str) -> None:
    backbone = backbones.load(name)
    with pytest.raises(ValueError, match=f"at least {backbone.min_size}x{backbone.min_size}"):
        backbone.build(backbone.min_size - 1)


def test_a_config_is_checked_against_backbones_without_tensorflow() -> None:
    """Backbones and published models are loaded while the workflow is parsed; TensorFlow would take seconds."""
    loads = (
        "import sys; from lungsight.training import backbones, published_models;"
        "[backbones.check_image_size(name, 256) for name in backbones.names()];"
        "[published_models.load(name) for name in published_models.names()]; sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", loads], cwd=ROOT / "workflow" / "scripts").returncode == 0


MODES = {"resnet50": "caffe", "vgg16": "caffe", "inceptionv3": "tf", "xception": "tf"}
MODES |= {"densenet201": "torch", "densenet121": "torch"}


@pytest.mark.parametrize(("name", "mode"), MODES.items())
def test_preprocessing_is_that_of_the_published_weights(name: str, mode: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8), dtype=np.uint8)
    colour = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    expected = keras.applications.imagenet_utils.preprocess_input(colour, mode=mode)
    np.testing.assert_allclose(to_input(backbones.load(name), images).numpy(), expected, atol=1e-4)


def test_classifier_is_the_thesis_head_on_a_flat_model() -> None:
    model = classifier()
    kinds = [type(layer).__name__ for layer in model.layers[-4:]]
    assert kinds == ["GlobalAveragePooling2D", "Dense", "Dense", "Activation"]
    momentums = {layer.momentum for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)}
    assert momentums == {0.7}
    inputs = np.random.default_rng(0).normal(size=(3, SIZE, SIZE, 3)).astype(np.float32)
    logits = logits_of(model)(inputs, training=False).numpy()
    np.testing.assert_allclose(model(inputs, training=False).numpy(), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_a_linear_head_is_the_pooled_features_and_the_logit() -> None:
    model = build_classifier(backbones.load("small_cnn"), SETTINGS | {"head": "linear"})
    assert [layer.name for layer in model.layers[-3:]] == ["pooled", "logit", "probability"]


def stem_of(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """The first convolution of EfficientNet with ImageNet's normalisation and a kernel of its own."""
    (normalisation,) = (layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    normalisation.set_weights([mean, deviation**2, np.array(0)])
    normalisation.finalize_state()
    stem = network.get_layer("stem_conv")
    stem.set_weights([np.random.default_rng(0).normal(size=stem.get_weights()[0].shape)])
    return keras.Model(network.input, stem.output)(images).numpy()


def test_the_factor_that_keras_adds_with_imagenet_weights_is_in_the_preprocessing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", lambda *_, **__: "")
    monkeypatch.setattr(keras.Model, "load_weights", lambda *_: None)
    shape = {"include_top": False, "input_shape": (32, 32, 3)}
    theirs = keras.applications.EfficientNetB4(weights="imagenet", **shape)
    images = np.random.default_rng(1).integers(0, 256, (2, 32, 32), dtype=np.uint8)
    colour = np.repeat(images[..., None], 3, axis=-1).astype(np.float32)
    backbone = backbones.load("efficientnetb4")
    ours = stem_of(backbone.build(32), to_input(backbone, images).numpy())
    np.testing.assert_allclose(ours, stem_of(theirs, colour), atol=1e-3)


APPLICATIONS = ["ResNet50", "DenseNet121", "DenseNet201", "InceptionV3", "Xception", "VGG16", "EfficientNetB4"]


@pytest.mark.parametrize("application", APPLICATIONS)
def test_imagenet_weights_are_fetched_from_where_keras_has_them(
    application: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def record(name: str, address: str, **more: str) -> None:
        asked.append((address, more["file_hash"]))
        raise InterruptedError

    monkeypatch.setattr(keras.src.utils.file_utils, "get_file", record)
    with pytest.raises(InterruptedError):
        getattr(keras.applications, application)(include_top=False, weights="imagenet", input_shape=(96, 96, 3))
    backbone = backbones.load(application.lower())
    assert asked == [(backbone.imagenet_url, backbone.imagenet_md5)]


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [statement for statement in node.body if not is_docstring(statement)]
    return tree


def code_of_the_workflow() -> dict[str, str]:
    """File → what it says, without sentences for people."""
    scripts = ROOT / "workflow" / "scripts"
    python = {
        path.relative_to(scripts).as_posix(): ast.unparse(_without_docstrings(ast.parse(path.read_text())))
        for path in scripts.rglob("*.py")
    }
    rules = {
        path.name: re.sub(r"#.*", "", path.read_text())
        for path in [*(ROOT / "workflow" / "rules").glob("*.smk"), ROOT / "workflow" / "Snakefile"]
    }
    return python | rules


def test_nothing_but_its_own_file_knows_a_published_backbone() -> None:
    """Systems are built on them; the default of the config names the thesis's two."""
    named = re.compile("resnet|densenet|inception|(?<!e)xception|vgg16|efficientnet", re.IGNORECASE)
    folder = "lungsight/training/"
    own = {f"{folder}backbones/{name}.py" for name in backbones.names() if name != "small_cnn"}
    built_on_them = {f"{folder}published_models/{name}.py" for name in published_models.names()}
    found = {name for name, text in code_of_the_workflow().items() if named.search(text)}
    assert found == own | built_on_them
    schemas = "".join(path.read_text() for path in (ROOT / "workflow" / "schemas").iterdir())
    assert len(named.findall(schemas)) == 2


def test_nothing_but_its_own_file_knows_a_system() -> None:
    named = re.compile("|".join(published_models.names()))
    schemas = {path.name: path.read_text() for path in (ROOT / "workflow" / "schemas").iterdir()}
    assert {name for name, text in (code_of_the_workflow() | schemas).items() if named.search(text)} == set()
    assert not set(published_models.names()) & set(backbones.names())


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(UserError, match="image_size: 8 is too small for small_cnn, which takes 16 and more"):
        backbones.check_image_size("small_cnn", 8)


def test_keras_legacy_weights_are_read_and_others_refused(tmp_path: Path) -> None:
    base = backbones.load("small_cnn").build(SIZE)
    legacy = tmp_path / "small_cnn_weights_notop.h5"
    with h5py.File(legacy, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, base)
    kernel = classifier(legacy).get_layer("conv3").get_weights()[0]
    np.testing.assert_array_equal(kernel, base.get_layer("conv3").get_weights()[0])


@pytest.mark.parametrize("layers", [2, 12])
def test_weights_of_another_network_are_refused(tmp_path: Path, layers: int) -> None:
    other = tmp_path / "other.weights.h5"
    dense = [keras.layers.Dense(2) for _ in range(layers)]
    keras.Sequential([keras.Input((4,)), *dense]).save_weights(other)
    with pytest.raises(UserError, match="does not hold weights without top of this backbone"):
        classifier(other)


@pytest.mark.parametrize("training", [True, False], ids=["trained", "frozen"])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_fused_batch_norm_in_every_mode_is_keras(policy: str, training: bool) -> None:
    """Outputs, and the gradients of input, scale and offset, where the layer is trained and where it is frozen."""
    values = tf.constant(np.random.default_rng(0).normal(2, 3, size=(4, 5, 5, 6)), tf.float32)
    pattern = tf.constant(np.random.default_rng(1).normal(size=(4, 5, 5, 6)), tf.float32)

    def computed(fused: bool) -> list[np.ndarray]:
        images = keras.Input((5, 5, 6))
        with precision(policy):
            layer = keras.layers.BatchNormalization(name="bn")
        model = keras.Model(images, layer(images))
        weights = np.linspace(0.5, 1.5, 6), np.linspace(-1, 1, 6), np.linspace(1, 3, 6), np.linspace(4, 12, 6)
        layer.set_weights(weights)
        layer.trainable = training

        @tf.function(autograph=False)
        def step() -> list[tf.Tensor]:
            with tf.GradientTape() as tape:
                tape.watch(values)
                outputs = tf.cast(model(values, training=True), tf.float32)
                loss = tf.reduce_sum(outputs * pattern)
            return [outputs, *tape.gradient(loss, [values, layer.gamma.value, layer.beta.value])]

        with fused_batch_norm(model) if fused else nullcontext():
            return [value.numpy() for value in step()] + layer.get_weights()

    tolerance = 3e-2 if policy == "mixed_bfloat16" else 1e-5
    for one, other in zip(computed(fused=True), computed(fused=False), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance * np.abs(other).max())


def gradients_and_statistics(model: keras.Model, inputs: tf.Tensor) -> list[np.ndarray]:
    """Outputs in training, gradients, moving statistics after it, outputs in inference; by one traced function."""
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = tf.reduce_sum(outputs**2)
        return [outputs, *tape.gradient(loss, variables)]

    found = [value.numpy() for value in step()]
    statistics = [variable.numpy() for variable in model.non_trainable_variables]
    return [*found, *statistics, tf.function(model, autograph=False)(inputs, training=False).numpy()]


def test_fused_batch_norm_computes_what_keras_does() -> None:
    inputs = tf.constant(np.random.default_rng(0).normal(size=(5, SIZE, SIZE, 3)), tf.float32)
    model = logits_of(classifier())
    start = model.get_weights()
    expected = gradients_and_statistics(model, inputs)
    model.set_weights(start)
    with fused_batch_norm(model):
        found = gradients_and_statistics(model, inputs)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5 * max(1, np.abs(other).max()))
    assert not np.allclose(start[2], model.get_weights()[2]) or not np.allclose(start[3], model.get_weights()[3])


def replaced_layers(model: keras.Model) -> list[str]:
    """The batch normalisations that do not compute by Keras's method."""
    return [layer.name for layer in batch_norms(model) if layer.call.__func__ is not KERAS_CALL]


def test_fused_batch_norm_is_gone_afterwards_and_leaves_other_models_alone() -> None:
    model, other = classifier(), classifier()
    names = [layer.name for layer in batch_norms(model)]
    with fused_batch_norm(model):
        assert replaced_layers(model) == names
        assert replaced_layers(other) == []
        with fused_batch_norm(logits_of(model)):  # shares the layers
            assert replaced_layers(model) == names
        assert replaced_layers(model) == names
    assert replaced_layers(model) == []
    with pytest.raises(KeyError), fused_batch_norm(model):
        raise KeyError
    assert replaced_layers(model) == []
    assert keras.layers.BatchNormalization.call is KERAS_CALL


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.BatchNormalization(axis=1),
        keras.layers.BatchNormalization(scale=False),
        keras.layers.BatchNormalization(center=False),
    ],
    ids=["another axis", "no scale", "no offset"],
)
def test_fused_batch_norm_leaves_a_model_that_it_cannot_express(layer: keras.layers.BatchNormalization) -> None:
    images = keras.Input((4, 4, 2))
    model = keras.Model(images, layer(keras.layers.BatchNormalization()(images)))
    with fused_batch_norm(model):
        assert replaced_layers(model) == []


def test_fused_batch_norm_leaves_vectors_alone() -> None:
    flat = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()])
    with fused_batch_norm(flat):
        assert replaced_layers(flat) == []


def test_threads_fuse_the_same_model_one_after_the_other() -> None:
    """A second thread waits until the first has restored the layers; neither leaves them replaced."""
    model = classifier()
    names = [layer.name for layer in batch_norms(model)]
    first_is_in, first_may_go, seen = threading.Event(), threading.Event(), []

    def first() -> None:
        with fused_batch_norm(model):
            first_is_in.set()
            first_may_go.wait(timeout=30)
            seen.append(("first", replaced_layers(model)))

    def second() -> None:
        first_is_in.wait(timeout=30)
        with fused_batch_norm(model):
            seen.append(("second", replaced_layers(model)))

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    first_is_in.wait(timeout=30)
    threads[1].join(timeout=0.3)
    assert seen == []
    first_may_go.set()
    for thread in threads:
        thread.join(timeout=30)
    assert seen == [("first", names), ("second", names)]
    assert replaced_layers(model) == []


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_adam_equals_keras_over_many_steps(weight_decay: float) -> None:
    """With weight decay, of kernels alone."""
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(4, 3)).astype(np.float32), rng.normal(size=3).astype(np.float32)]
    ours, theirs = ([keras.Variable(value) for value in start] for _ in range(2))
    adam, peer = Adam(weight_decay), keras.optimizers.AdamW(weight_decay=weight_decay)
    peer.exclude_from_weight_decay(var_list=theirs[1:])
    adam.build(ours)
    for number in range(20):
        adam.learning_rate = peer.learning_rate = 0.02 / (1 + number)
        gradients = [tf.constant(rng.normal(size=value.shape), tf.float32) for value in start]
        adam.apply(gradients)
        peer.apply(gradients, theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), atol=1e-5)


def test_inference_gives_the_saved_models_probabilities_for_any_number_of_images(tmp_path: Path) -> None:
    model, backbone = classifier(), backbones.load("small_cnn")
    images = np.random.default_rng(0).integers(0, 256, (5, SIZE, SIZE), dtype=np.uint8)
    inference = make_inference(model, backbone)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    expected = loaded(to_input(backbone, images), training=False).numpy()
    for n in (1, 5):
        np.testing.assert_allclose(inference(images[:n]), expected[:n], atol=1e-6)
