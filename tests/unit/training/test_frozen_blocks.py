"""Blocks of a network by resolution, and that a training leaves the frozen ones as they are."""

import keras
import numpy as np
import pytest

from lungsight.training import backbones
from lungsight.training.fit import TrainingPlan, fit
from lungsight.training.frozen_blocks import blocks_of, frozen_blocks, strides_of
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import batch_norms, build_classifier, logits_of

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.5}


def images() -> LabelledImages:
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 2
    pixels = np.clip(60 + 120 * labels[:, None, None] + rng.normal(0, 20, (12, SIZE, SIZE)), 0, 255).astype(np.uint8)
    return LabelledImages(pixels, np.arange(12), labels)


def classifier() -> keras.Model:
    keras.utils.set_random_seed(1)
    return build_classifier(backbones.load("small_cnn"), SETTINGS)


@pytest.mark.parametrize("name", ["small_cnn", "vgg16", "resnet50"])
def test_the_number_of_blocks_and_their_strides_are_those_of_the_backbones_file(name: str) -> None:
    backbone = backbones.load(name)
    base = backbone.build(max(backbone.min_size, 64))
    assert len(blocks_of(base)) == backbone.blocks
    strides = strides_of(base)
    assert {strides[layer]: layer for layer in backbone.layers_by_stride.values()} == dict(backbone.layers_by_stride)


def test_every_backbone_states_its_number_of_blocks() -> None:
    assert all(backbones.load(name).blocks >= 4 for name in backbones.names())


def test_the_head_is_in_no_block() -> None:
    model = classifier()
    names = [[layer.name for layer in block] for block in blocks_of(model)]
    assert names == [[f"conv{number}", f"bn{number}"] for number in range(1, 5)]
    with pytest.raises(ValueError, match="5 blocks to freeze of 4"), frozen_blocks(model, 5):
        pass


@pytest.mark.parametrize("recalibrate", [False, True])
@pytest.mark.parametrize("number", [0, 2, 4])
def test_frozen_weights_and_statistics_do_not_move_and_all_others_do(number: int, recalibrate: bool) -> None:
    model = classifier()
    before = {layer.name: layer.get_weights() for layer in model.layers}
    plan = TrainingPlan(epochs=2, batch_size=4, learning_rate=3e-3, seed=5, recalibrate=recalibrate)
    with frozen_blocks(model, number):
        fit(logits_of(model), backbones.load("small_cnn"), binary_crossentropy, images(), images(), plan)
    frozen = {layer.name for block in blocks_of(model)[:number] for layer in block}
    for layer in model.layers:
        moved = [not np.array_equal(new, old) for new, old in zip(layer.get_weights(), before[layer.name], strict=True)]
        assert not any(moved) if layer.name in frozen else all(moved), layer.name
    # Scale, offset, mean and variance: four arrays of each batch normalisation were compared.
    assert all(len(layer.get_weights()) == 4 for layer in batch_norms(model))


def test_what_was_frozen_before_stays_frozen() -> None:
    model = classifier()
    model.get_layer("conv1").trainable = False
    with frozen_blocks(model, 1):
        assert not model.get_layer("bn1").trainable
    assert model.get_layer("bn1").trainable
    assert not model.get_layer("conv1").trainable
