"""The training loop: it learns, resumes to the same numbers, refuses bad checkpoints, stops on NaN."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from lungsight.config import config_schema, presets_of
from lungsight.errors import UserError
from lungsight.explain.gradcam import GradCam, methods_for
from lungsight.training import backbones
from lungsight.training.adam import optimizer_of
from lungsight.training.augmentation import no_augmentation
from lungsight.training.checkpoints import Checkpoint, Pace
from lungsight.training.early_stopping import EARLY, PLANNED, EarlyStopping
from lungsight.training.fit import TrainingPlan, equal_batches, fit
from lungsight.training.heads import HEADS
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import LOSSES, balanced_weights, binary_crossentropy, weighted_categorical_crossentropy
from lungsight.training.network import (
    batch_norms,
    build_classifier,
    logits_of,
    make_inference,
    run_in_batches,
    to_input,
)
from lungsight.training.recalibration import make_recalibration
from lungsight.training.regions import REGIONS
from lungsight.training.solvers import SOLVERS
from lungsight.training.stage_training import Start, in_float32

SIZE = 16
SETTINGS = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.5}
AUGMENTATION = {"horizontal_flip": True, "vertical_flip": True, "rotation": 10, "brightness": [0.8, 1.0]}
PLAN = TrainingPlan(epochs=3, batch_size=4, learning_rate=3e-3, seed=5, stage=1, augmentation=AUGMENTATION)


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


def run(model: keras.Model, plan: TrainingPlan = PLAN, checkpoint: Checkpoint | None = None) -> list[dict]:
    return fit(model, backbones.load("small_cnn"), binary_crossentropy, *sides(), plan, checkpoint)


def without_seconds(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@contextmanager
def killed_after_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within, a training is interrupted as soon as it has kept an epoch."""
    save = Checkpoint.save

    def save_and_stop(self: Checkpoint, *state: object) -> None:
        save(self, *state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_and_stop)
        yield


def stop_after_first_epoch(monkeypatch: pytest.MonkeyPatch, checkpoint: Checkpoint, plan: TrainingPlan = PLAN) -> None:
    with killed_after_a_checkpoint(monkeypatch):
        run(new_model(), plan, checkpoint)


def test_batches_share_every_image_evenly() -> None:
    batches = equal_batches(np.random.default_rng(0), 11, 4)
    assert sorted(map(len, batches)) == [3, 4, 4]
    assert sorted(np.concatenate(batches)) == list(range(11))


def test_it_learns_and_tells_how() -> None:
    model = new_model()
    history = run(model, TrainingPlan(epochs=8, batch_size=4, learning_rate=1e-2, seed=5))
    assert [row["epoch"] for row in history] == list(range(1, 9))
    assert history[-1]["loss"] < 0.3 < history[0]["loss"]
    assert history[-1]["val_accuracy"] == 1.0
    assert [row["kept"] for row in history] == [0] * 7 + [1]
    assert [row["stopped"] for row in history] == [""] * 7 + [PLANNED]


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
        assert checkpoint.restore(model, optimizer_of(model, 0.0), EarlyStopping(model, None)) == []
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
    adam = optimizer_of(model, 0.0)
    assert second.restore(model, adam, EarlyStopping(model, None)) == []
    assert "is of other settings, images or code: the training starts at epoch 1." in capsys.readouterr().err
    first.path.rename(second.path)
    assert second.restore(model, adam, EarlyStopping(model, None)) == []
    assert not second.path.exists()


def test_a_loss_that_is_no_number_stops_with_the_last_good_epoch_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = Checkpoint.of(tmp_path, {"learning_rate": 1e30})
    stop_after_first_epoch(monkeypatch, checkpoint)
    kept = checkpoint.path.read_bytes()
    with pytest.raises(UserError, match=r"not a number in epoch 2.*Lower training.learning_rate \(it is 1e\+30\)"):
        run(new_model(), TrainingPlan(epochs=3, batch_size=4, learning_rate=1e30, seed=5), checkpoint)
    assert checkpoint.path.read_bytes() == kept


def test_losses_equal_keras_and_count_what_is_right() -> None:
    logits = np.array([[2.0], [0.0], [-1.0], [-3.0]], np.float32)
    labels = np.array([1, 0, 1, 0])
    found = binary_crossentropy(labels, logits)
    expected = keras.losses.binary_crossentropy(labels[:, None].astype(np.float32), logits, from_logits=True)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)
    assert found.correct.numpy().tolist() == [True, False, False, True]
    many = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    found = weighted_categorical_crossentropy(np.array([0, 1, 2, 0]), many, 0.0, [1.0] * 3)
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


MODERN = replace(
    PLAN, **{"epochs": 12, "learning_rate": 3e-2, "weight_decay": 0.01}, schedule="cosine", warmup_epochs=1, patience=2
)


def stopped_after(losses: list[float], patience: int | None, resumed_after: int) -> tuple[list[dict], float]:
    """The finished history, and which epoch's weights the model is left with; each epoch's weights are its number."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    stopping, history = EarlyStopping(model, patience), []
    for epoch, loss in enumerate(losses, start=1):
        if stopping.is_over:
            break
        model.set_weights([np.full((1, 1), epoch)])
        history.append({"epoch": epoch, "val_loss": loss})
        stopping.see(history[-1])
        if epoch == resumed_after:
            best_weights = stopping.best_weights
            stopping = EarlyStopping(model, patience)
            stopping.resume(history, best_weights)
    return stopping.finish(history), float(model.get_weights()[0].item())


ONE_STEP_LOWER = float(np.nextafter(np.float32(0.5), np.float32(0)))


@pytest.mark.parametrize("resumed_after", [0, 1, 3])
@pytest.mark.parametrize(
    ("losses", "patience", "done", "kept", "reason"),
    [
        ([0.9, 0.5, 0.7, 0.6, 0.1], 2, 4, 2, EARLY),
        ([0.9, 0.5, 0.5, 0.5, 0.1], 2, 4, 2, EARLY),  # the first of equals is the best
        ([0.9, 0.5, ONE_STEP_LOWER, 0.6, 0.7], 2, 5, 3, EARLY),  # over just when the planned epochs are done
        ([0.9, 0.5, 0.7, 0.4, 0.6], 2, 5, 4, PLANNED),
        ([0.5, 0.6, 0.1], 1, 2, 1, EARLY),
        ([0.5, 0.6, 0.7, 0.8], None, 4, 4, PLANNED),
    ],
)
def test_early_stopping_waits_keeps_and_resumes(
    losses: list[float], patience: int | None, done: int, kept: int, reason: str, resumed_after: int
) -> None:
    history, weights = stopped_after(losses, patience, resumed_after)
    assert [row["kept"] for row in history] == [int(epoch == kept) for epoch in range(1, done + 1)]
    assert [row["stopped"] for row in history] == [""] * (done - 1) + [reason]
    assert weights == kept


def test_early_stopping_keeps_the_best_epoch_and_says_so() -> None:
    """The model that is left has the validation loss of the epoch that the history calls kept."""
    model = new_model()
    history = run(model, replace(MODERN, epochs=30, schedule="constant"))
    losses = [row["val_loss"] for row in history]
    best = int(np.argmin(losses))
    assert len(history) == best + 1 + MODERN.patience < 30
    assert [row["epoch"] for row in history if row["kept"]] == [best + 1]
    assert [row["stopped"] for row in history] == [""] * (len(history) - 1) + [EARLY]
    _, validation = sides()
    outputs = run_in_batches(make_inference(model, backbones.load("small_cnn")), validation.pixels, validation.rows)
    assert float(np.mean(binary_crossentropy(validation.labels, outputs).loss)) == pytest.approx(losses[best], rel=1e-5)


@pytest.mark.parametrize("plan", [MODERN, replace(MODERN, freeze_batch_norm=True)], ids=["trained", "frozen"])
def test_a_modern_training_resumes_to_the_same_numbers(
    plan: TrainingPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = new_model()
    expected = run(undisturbed, plan)
    checkpoint = Checkpoint.of(tmp_path, {"modern": True})
    stop_after_first_epoch(monkeypatch, checkpoint, plan)
    resumed = new_model()
    assert without_seconds(run(resumed, plan, checkpoint)) == without_seconds(expected)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_killed_after_its_last_useful_epoch_stops_at_once_when_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pace, "is_due", lambda _: True)
    plan = replace(MODERN, epochs=30, schedule="constant")
    checkpoint = Checkpoint.of(tmp_path, {"patience": 2})
    expected = run(new_model(), plan, checkpoint)
    again = new_model()
    assert run(again, plan, checkpoint) == expected


def test_frozen_batch_norm_keeps_statistics_scales_and_offsets() -> None:
    model = new_model()
    before = {layer.name: layer.get_weights() for layer in batch_norms(model)}
    kernel = model.get_layer("conv1").get_weights()[0]
    run(model, replace(PLAN, freeze_batch_norm=True))
    for layer in batch_norms(model):
        assert layer.trainable
        for one, other in zip(layer.get_weights(), before[layer.name], strict=True):
            np.testing.assert_array_equal(one, other)
    assert (model.get_layer("conv1").get_weights()[0] != kernel).any()


def test_the_rate_rises_stays_or_falls_as_its_formula_says() -> None:
    plan = replace(PLAN, epochs=4, batch_size=3, learning_rate=0.1, schedule="cosine", warmup_epochs=1)
    rates = [rate for epoch in range(1, 5) for rate in plan.rates(epoch, 11)]  # four steps an epoch
    np.testing.assert_allclose(rates[:4], [0.025, 0.05, 0.075, 0.1])
    peer = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=12)
    np.testing.assert_allclose(rates[4:], [float(peer(step)) for step in range(12)], rtol=1e-5)
    assert {*replace(plan, schedule="constant", warmup_epochs=0).rates(2, 11)} == {0.1}
    history = run(new_model(), replace(plan, learning_rate=1e-3))
    assert [row["learning_rate"] for row in history] == [
        replace(plan, learning_rate=1e-3).rates(epoch, 11)[-1] for epoch in range(1, 5)
    ]


def test_the_words_of_the_config_are_the_entries() -> None:
    training = config_schema()["properties"]["training"]["properties"]
    assert training["loss"]["enum"] == list(LOSSES)
    assert training["head"]["enum"] == list(HEADS)
    assert training["preset"]["enum"] == list(presets_of("training"))
    assert training["solver"]["enum"] == list(SOLVERS)
    assert training["region"]["enum"] == list(REGIONS)


def test_class_weights_are_scikit_learns_balanced_ones() -> None:
    labels = np.array([0] * 9 + [1] * 3)
    logits = np.random.default_rng(0).normal(size=(12, 1)).astype(np.float32)
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    np.testing.assert_allclose(balanced_weights(labels), expected)
    plainly = {"label_smoothing": 0.0}
    weighted, plain = (
        LOSSES[name](labels, plainly)(labels, logits) for name in ("class_weighted", "binary_crossentropy")
    )
    np.testing.assert_allclose(weighted.loss, plain.loss * expected[labels], rtol=1e-6)
    assert (weighted.correct.numpy() == plain.correct.numpy()).all()
    assert balanced_weights(np.zeros(4, int))[0] == 0.5  # one class alone: nothing is divided by 0


@pytest.mark.parametrize("costs", [None, [5.0, 0.5]], ids=["by frequency", "given"])
def test_the_cost_sensitive_loss_is_the_weighted_log_of_the_true_classs_probability(costs: list[float] | None) -> None:
    """−w_y log p_y; without given costs w_y is the share of the other class."""
    labels = np.array([0] * 9 + [1] * 3)
    logits = np.random.default_rng(0).normal(size=(12, 1)).astype(np.float32)
    settings = {"label_smoothing": 0.0, "class_costs": costs}
    positive, negative = costs or [9 / 12, 3 / 12]
    p = 1 / (1 + np.exp(-logits[:, 0].astype(float)))
    expected = np.where(labels == 1, -positive * np.log(p), -negative * np.log(1 - p))
    found = LOSSES["cost_sensitive"](labels, settings)(labels, logits)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-5)
    assert (found.correct.numpy() == ((p >= 0.5) == (labels == 1))).all()


@pytest.mark.parametrize("name", ["binary_crossentropy", "class_weighted"])
def test_label_smoothing_is_keras(name: str) -> None:
    labels = np.array([1, 0, 1, 0])
    logits = np.random.default_rng(0).normal(size=(4, 1)).astype(np.float32)
    found = LOSSES[name](labels, {"label_smoothing": 0.2})(labels, logits)
    expected = keras.losses.binary_crossentropy(
        labels[:, None].astype(np.float32), logits, from_logits=True, label_smoothing=0.2
    )
    np.testing.assert_allclose(found.loss, expected, rtol=1e-6)


def test_a_disk_that_is_full_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file may not grow beyond half of a checkpoint: writing fails as on a full disk, and the earlier one stays."""
    checkpoint = Checkpoint.of(tmp_path, {"disk": "full"})
    stop_after_first_epoch(monkeypatch, checkpoint)
    kept = checkpoint.path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(kept) // 2, hard))
    try:
        with pytest.raises(OSError) as failed:
            run(new_model(), PLAN, checkpoint)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert failed.value.errno == errno.EFBIG
    assert [path.name for path in tmp_path.iterdir()] == [checkpoint.path.name]
    assert checkpoint.path.read_bytes() == kept


def test_bfloat16_trains_float32_weights_and_leaves_a_float32_model(tmp_path: Path) -> None:
    """The kernel's convolution runs in bfloat16 while it trains; what is saved computes and explains in float32."""
    backbone = backbones.load("small_cnn")
    settings = SETTINGS | {"precision": "mixed_bfloat16"}
    keras.utils.set_random_seed(1)
    model = Start().build("small_cnn", backbone, settings)
    assert model.get_layer("conv1").compute_dtype == "bfloat16"
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    history = fit(
        logits_of(model), backbone, binary_crossentropy, *sides(), replace(PLAN, epochs=6, learning_rate=1e-2)
    )
    assert history[-1]["loss"] < history[0]["loss"]
    saved = in_float32(model, backbone, settings)
    saved.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    assert {layer.compute_dtype for layer in loaded.layers} == {"float32"}
    pixels, rows = sides()[1].pixels, sides()[1].rows
    in_training, after = (run_in_batches(make_inference(one, backbone), pixels, rows) for one in (model, loaded))
    np.testing.assert_allclose(in_training, after, atol=0.05)
    cam = GradCam(loaded, methods_for(loaded, backbone.explained_layer))
    explained = cam(to_input(backbone, pixels[rows]), after[:, 0] >= 0.5)
    assert {maps.dtype for maps in explained.values()} == {np.dtype(np.float32)}
    assert keras.config.dtype_policy().name == "float32"


def test_checkpoints_take_a_small_share_of_the_time() -> None:
    """Epochs of 10 s and a checkpoint of 2 s: with a share of a twentieth every fourth epoch is kept."""
    now, due = 0.0, []
    pace = Pace(share=0.05, clock=lambda: now)
    for epoch in range(1, 11):
        now += 10
        if pace.is_due():
            due.append(epoch)
            with pace.writing():
                now += 2
    assert due == [1, 5, 9]
