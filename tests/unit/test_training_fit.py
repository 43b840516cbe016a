"""The training loop: it learns, resumes to the same numbers, refuses bad checkpoints, stops on NaN."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from lungsight.errors import UserError
from lungsight.training import backbones
from lungsight.training.adam import Adam
from lungsight.training.augmentation import no_augmentation
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.fit import LabelledImages, Plan, equal_batches, fit
from lungsight.training.network import build_classifier, logits_of, to_input
from lungsight.training.objectives import binary_crossentropy, categorical_crossentropy
from lungsight.training.recalibration import make_recalibration

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.5}
AUGMENTATION = {"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.8, 1.0]}
PLAN = Plan(epochs=3, batch_size=4, learning_rate=3e-3, seed=5, stage=1, augmentation=AUGMENTATION)


def sides() -> tuple[LabelledImages, LabelledImages]:
    """11 bright or dark training images, 4 for validation, interleaved in one array."""
    rng = np.random.default_rng(0)
    labels = np.arange(15) % 2
    levels = np.where(labels == 1, 180, 60)[:, None, None]
    pixels = np.clip(levels + rng.normal(0, 20, (15, SIZE, SIZE)), 0, 255).astype(np.uint8)
    rows = rng.permutation(15)
    return LabelledImages(pixels, rows[:11], labels[rows[:11]]), LabelledImages(pixels, rows[11:], labels[rows[11:]])


def new_model() -> keras.Model:
    keras.utils.set_random_seed(1)
    return logits_of(build_classifier(backbones.load("small_cnn"), SETTINGS))


def run(model: keras.Model, plan: Plan = PLAN, checkpoint: Checkpoint | None = None) -> list[dict]:
    return fit(model, backbones.load("small_cnn"), binary_crossentropy, *sides(), plan, checkpoint)


def without_seconds(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


def stop_after_first_epoch(monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint, plan: Plan = PLAN) -> None:
    save = Checkpoint.save

    def save_and_stop(self: Checkpoint, *state: object) -> None:
        save(self, *state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_and_stop)
        run(new_model(), plan, checkpoint)


def test_batches_share_every_image_evenly() -> None:
    batches = equal_batches(np.random.default_rng(0), 11, 4)
    assert sorted(map(len, batches)) == [3, 4, 4]
    assert sorted(np.concatenate(batches)) == list(range(11))


def test_it_learns_and_tells_how() -> None:
    model = new_model()
    history = run(model, Plan(epochs=8, batch_size=4, learning_rate=1e-2, seed=5))
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[-1]["loss"] < 0.3 < history[0]["loss"]
    assert history[-1]["val_accuracy"] == 1.0


def test_resuming_ends_with_the_numbers_of_an_undisturbed_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = new_model()
    expected = run(undisturbed)
    checkpoint = Checkpoint.of(tmp_path, {"all": "that matters"})
    stop_after_first_epoch(monkeypatch, checkpoint)
    resumed = new_model()
    resumed.set_weights([np.zeros_like(weight) for weight in resumed.get_weights()])
    found = run(resumed, checkpoint=checkpoint)
    assert without_seconds(found) == without_seconds(expected)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_damaged_checkpoint_is_refused_and_training_starts_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    checkpoint = Checkpoint.of(tmp_path, {"this": "training"})
    stop_after_first_epoch(monkeypatch, checkpoint)
    whole = checkpoint.path.read_bytes()
    middle = len(whole) // 2
    flipped = bytes([whole[middle] ^ 1])
    for damaged in (whole[:middle], whole[:middle] + flipped + whole[middle + 1 :], b""):
        checkpoint.path.write_bytes(damaged)
        model = new_model()
        before = model.get_weights()
        assert checkpoint.restore(model, Adam([v.value for v in model.trainable_variables])) == []
        assert "is refused" in capsys.readouterr().err
        assert not checkpoint.path.exists()
        assert all((one == other).all() for one, other in zip(model.get_weights(), before, strict=True))


def test_a_training_goes_on_under_another_number_of_threads(tmp_path: Path) -> None:
    on_eight, on_two = (Checkpoint.of(tmp_path, {"seed": 1, "threads": threads}) for threads in (8, 2))
    assert on_eight == on_two != Checkpoint.of(tmp_path, {"seed": 2, "threads": 2})


def test_a_checkpoint_of_another_training_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    first, second = (Checkpoint.of(tmp_path, {"learning_rate": rate}) for rate in (1, 2))
    stop_after_first_epoch(monkeypatch, first)
    model = new_model()
    adam = Adam([v.value for v in model.trainable_variables])
    assert second.restore(model, adam) == []
    assert "is of other settings, images or code: the training starts at epoch 1." in capsys.readouterr().err
    first.path.rename(second.path)
    assert second.restore(model, adam) == []
    assert not second.path.exists()


def test_a_loss_that_is_no_number_stops_with_the_last_good_epoch_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint.of(tmp_path, {"learning_rate": 1e30})
    stop_after_first_epoch(monkeypatch, checkpoint)
    kept = checkpoint.path.read_bytes()
    with pytest.raises(UserError, match=r"not a number in epoch 2.*Lower training.learning_rate \(it is 1e\+30\)"):
        run(new_model(), Plan(epochs=3, batch_size=4, learning_rate=1e30, seed=5), checkpoint)
    assert checkpoint.path.read_bytes() == kept


def test_objectives_equal_keras_and_count_what_is_right() -> None:
    logits = np.array([[2.0], [0.0], [-1.0], [-3.0]], np.float32)
    labels = np.array([1, 0, 1, 0])
    found = binary_crossentropy(labels, logits)
    expected = keras.losses.binary_crossentropy(labels[:, None].astype(np.float32), logits, from_logits=True)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    assert found.correct.numpy().tolist() == [True, False, False, True]
    many = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = categorical_crossentropy(np.array([0, 1, 2, 0]), many)
    expected = keras.losses.sparse_categorical_crossentropy(np.array([0, 1, 2, 0]), many, from_logits=True)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    assert found.correct.numpy().tolist() == (many.argmax(axis=1) == [0, 1, 2, 0]).tolist()


def test_recalibration_measures_the_statistics_and_leaves_weights_and_momentum() -> None:
    model, backbone = new_model(), backbones.load("small_cnn")
    training, _ = sides()
    normalisation = model.get_layer("bn1")
    weights = [variable.numpy() for variable in model.trainable_variables]
    batches = [training.batch(chosen)[0] for chosen in np.array_split(np.arange(len(training)), 3)]
    make_recalibration(model, backbone)((images, *no_augmentation(len(images))) for images in batches)
    convolution = keras.Model(model.input, model.get_layer("conv1").output)
    maps = [convolution(to_input(backbone, images)).numpy() for images in batches]
    means, variances = ([statistic(one, axis=(0, 1, 2)) for one in maps] for statistic in (np.mean, np.var))
    np.testing.assert_allclose(normalisation.moving_mean.numpy(), np.mean(means, axis=0), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(normalisation.moving_variance.numpy(), np.mean(variances, axis=0), rtol=1e-4)
    assert normalisation.momentum == SETTINGS["batch_norm_momentum"]
    for one, other in zip(model.trainable_variables, weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other)


def test_recalibrated_training_resumes_to_the_same_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = replace(PLAN, recalibrate=True)
    undisturbed = new_model()
    expected = run(undisturbed, plan)
    checkpoint = Checkpoint.of(tmp_path, {"batch_norm_recalibration": True})
    stop_after_first_epoch(monkeypatch, checkpoint, plan)
    resumed = new_model()
    assert without_seconds(run(resumed, plan, checkpoint)) == without_seconds(expected)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
