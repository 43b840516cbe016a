"""What the proof of remedies trains before its models: slices that a generator sees, and start weights."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from benchmarks import planted_pretraining as pretraining
from benchmarks import remedies as benchmark
from benchmarks.planted_truth import HEAD
from lungsight.training import backbones, remedies
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.network import build_classifier
from lungsight.training.treatment import Material

N, SIDE = 12, 64
LABELS = np.array([1, 0] * (N // 2))
SAMPLES = 5


def images(positive: int = 200) -> LabelledImages:
    """Positives of one grey, negatives of another."""
    greys = np.where(LABELS == 1, positive, 30).astype(np.uint8)
    return LabelledImages(np.tile(greys[:, None, None], (1, SIDE, SIDE)), np.arange(N), LABELS, np.arange(N) // 2)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The slices that each generator is trained on. Nothing is trained."""
    slices: list[np.ndarray] = []
    monkeypatch.setattr(pretraining, "train", lambda both, real, settings, seed: slices.append(real))
    monkeypatch.setattr(pretraining, "GENERATOR", pretraining.GENERATOR | {"filters": 2})
    chosen = {name: {"samples": SAMPLES} for name in ("dcgan", "madani")}
    monkeypatch.setitem(pretraining.TRAINING, "remedies", pretraining.TRAINING["remedies"] | chosen)
    pretraining.draw_slices.cache_clear()
    return slices


def test_each_class_has_a_generator_of_its_own(seen: list[np.ndarray]) -> None:
    made = pretraining.generated_for("dcgan", images(), seed=1)
    assert made is not None and made.pixels.shape == (2 * SAMPLES, SIDE, SIDE)
    assert [(len(each), set(np.unique(each))) for each in seen] == [(N // 2, {200}), (N // 2, {30})]
    assert made.labels.tolist() == [1] * SAMPLES + [0] * SAMPLES


def test_one_generator_sees_all_classes_and_knows_none(seen: list[np.ndarray]) -> None:
    made = pretraining.generated_for("madani", images(), seed=1)
    assert made is not None and made.labels.tolist() == [-1] * SAMPLES
    assert [(len(each), set(np.unique(each))) for each in seen] == [(N, {30, 200})]


@pytest.mark.parametrize("word", ["none", "dann", "simsiam", benchmark.SEGMENTED])
def test_the_others_need_no_generator(word: str) -> None:
    assert pretraining.generated_for(word, images(), seed=1) is None


def test_a_generator_is_shared_where_the_slices_are_the_same_alone(seen: list[np.ndarray]) -> None:
    first = pretraining.generated_for("dcgan", images(), seed=1)
    again = pretraining.generated_for("dcgan", images(positive=201), seed=1)
    assert [int(each.max()) for each in seen] == [200, 30, 201]  # the negatives are those of before
    assert first is not None and again is not None
    np.testing.assert_array_equal(first.pixels[SAMPLES:], again.pixels[SAMPLES:])
    pretraining.generated_for("dcgan", images(), seed=2)
    assert len(seen) == 5


@pytest.mark.parametrize("word", ["dcgan", "madani"])
def test_slices_are_such_as_the_remedy_takes(seen: list[np.ndarray], word: str) -> None:
    own = images()
    made = pretraining.generated_for(word, own, seed=1)
    of_images = (own.pixels, own.rows, own.labels, own.groups())
    material = Material(benchmark.DEFAULTS[word], backbones.load("small_cnn"), *of_images, companion=own)
    make: Any = remedies.load(word).treatment
    with pytest.raises(ValueError, match="generated"):
        make(material)
    assert len(make(Material(**{**vars(material), "generated": made})).pixels) == len(made or [])


def test_simsiam_starts_from_weights_that_were_pretrained_on_both_cohorts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"epochs": 1, "batch_size": 8, "projector": 8, "predictor": 4}
    monkeypatch.setattr(pretraining, "PRETRAINING", pretraining.PRETRAINING | few)
    seen: list[int] = []
    pretrain = pretraining.pretrain
    monkeypatch.setattr(
        pretraining,
        "pretrain",
        lambda siamese, backbone, joined, *rest: seen.append(len(joined)) or pretrain(siamese, backbone, joined, *rest),
    )
    rng = np.random.default_rng(0)
    cohorts = [
        LabelledImages(rng.integers(0, 256, (N, SIDE, SIDE), dtype=np.uint8), np.arange(N), LABELS) for _ in range(2)
    ]
    file = pretraining.pretrained_weights(cohorts, 1, tmp_path)
    expected = build_classifier(backbones.load("small_cnn"), HEAD, file).get_layer("conv2").get_weights()[0]
    model = benchmark.build("simsiam", {}, cohorts, 1)
    assert seen == [2 * N, 2 * N]
    np.testing.assert_allclose(model.get_layer("conv2").get_weights()[0], expected, atol=1e-6)
    plain = benchmark.build("none", {}, cohorts, 1)
    assert np.abs(plain.get_layer("conv2").get_weights()[0] - expected).max() > 1e-3
    # Beside the backbone both start alike.
    np.testing.assert_array_equal(plain.get_layer("logit").get_weights()[0], model.get_layer("logit").get_weights()[0])
    assert isinstance(model, keras.Model)
