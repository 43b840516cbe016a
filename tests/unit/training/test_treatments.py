"""What remedies do in a training step, against NumPy, formulas and finite differences."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from lungsight.errors import UserError
from lungsight.training import backbones, remedies
from lungsight.training.augmentation import no_augmentation
from lungsight.training.checkpoints import Checkpoint
from lungsight.training.fit import TrainingPlan, fit, make_forward
from lungsight.training.fused_batch_norm import fused_batch_norm
from lungsight.training.group_weights import GroupDro, coincide, groups_of, mean_by_group_of, next_weights
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.penalties import AttentionPenalty, BackgroundPenalty, grad_cam, share_outside
from lungsight.training.remedied_training import strengths_of, strongest_within_one_error, train_the_chosen
from lungsight.training.styles import draw_mixing, draw_style, early_layer, jpeg, mix_styles, restyled
from lungsight.training.swapping import OTHER, SAME, Donors, Swap, gaussian_blur, swapped
from lungsight.training.treatment import Batch, Material, Outputs, Treatment, outside_the_lung, own_margin
from tests.factories.treatments import (
    BACKBONE,
    DEFAULTS,
    PATIENTS,
    SIZE,
    SLICES,
    batch_for,
    draw,
    lungs,
    material,
    new_model,
)


def test_a_swapped_slice_is_what_numpy_makes_of_it() -> None:
    rng, masks = np.random.default_rng(1), lungs()
    images, donors = rng.integers(0, 256, (2, 4, SIZE, SIZE), dtype=np.uint8)
    of_donors = masks[[5, 6, 7, 8]]
    found = swapped(images, masks[:4], donors, of_donors, 150.0, 1, 0.8).numpy()
    wide = [ndimage.grey_dilation(mask, size=(3, 3)) > 0 for mask in (*masks[:4], *of_donors)]
    for place in range(4):
        # A Gaussian that counts what is inside of the image alone.
        inside = ndimage.gaussian_filter(np.ones((SIZE, SIZE)), 0.8, mode="constant", truncate=20)
        seen = ndimage.gaussian_filter(wide[place].astype(float), 0.8, mode="constant", truncate=20) / inside
        background = np.where(wide[4 + place], 150.0, donors[place])
        expected = seen * images[place] + (1 - seen) * background
        np.testing.assert_allclose(found[place], expected, atol=0.501)


def test_without_a_feather_lung_and_background_are_taken_as_they_are() -> None:
    masks = lungs()[:1]
    images, donors = np.full((1, SIZE, SIZE), 40, np.uint8), np.full((1, SIZE, SIZE), 90, np.uint8)
    found = swapped(images, masks, donors, masks, 150.0, 0, 0.0).numpy()
    np.testing.assert_array_equal(found, np.where(masks > 0, 40, 90))


def test_donors_are_other_patients_of_the_wanted_class_at_the_same_height() -> None:
    found = Donors.among(material("lung_swap"))
    for place in range(PATIENTS * SLICES):
        for kind in (SAME, OTHER):
            for share in (0.0, 0.5, 0.99):
                donor = found.choose(place, place // SLICES, kind, share)
                assert donor % SLICES == place % SLICES and donor // SLICES != place // SLICES
                assert (donor // SLICES % 2 == place // SLICES % 2) == (kind == SAME)


def test_backgrounds_of_both_kinds_are_equally_frequent() -> None:
    source = material("lung_swap", probability=0.3)
    swap, kinds = Swap(source), []
    for seed in range(200):
        _, donors, _, swaps = swap.extras(draw(list(range(18)), seed))
        of_donor = [int(np.flatnonzero((source.pixels == image).all(axis=(1, 2)))[0]) for image in donors]
        kinds += [
            ("kept" if not swapped_one else "same" if (donor // SLICES - place // SLICES) % 2 == 0 else "other")
            for place, (donor, swapped_one) in enumerate(zip(of_donor, swaps, strict=True))
        ]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in ("kept", "same", "other")}
    assert shares == pytest.approx({"kept": 0.4, "same": 0.3, "other": 0.3}, abs=0.03)


def test_a_slice_without_an_accepted_mask_is_not_swapped_and_gives_no_background() -> None:
    source = material("lung_swap")
    source.accepted[[0, 7]] = False
    swap = Swap(source)
    _, donors, _, swaps = swap.extras(draw(list(range(18))))
    assert not swaps[[0, 7]].any() and swaps.sum() == 16
    for place in np.flatnonzero(swaps):
        assert not any((donors[place] == source.pixels[bad]).all() for bad in (0, 7))


def test_one_patient_of_a_class_is_refused() -> None:
    source = material("lung_swap")
    source.accepted[source.labels == 1] = False
    source.accepted[3:6] = True
    with pytest.raises(UserError, match="needs two training patients of each class"):
        Swap(source)


@pytest.mark.parametrize("name", ["background_penalty", "attention_penalty"])
def test_a_penalty_without_masks_is_refused(name: str) -> None:
    source = material(name)
    source.accepted[:] = False
    with pytest.raises(UserError, match=f"{name} needs lung masks"):
        remedies.load(name).treatment(source)  # pyright: ignore[reportOptionalCall]


def test_the_margin_of_a_class_is_the_logit_of_its_probability() -> None:
    rng = np.random.default_rng(2)
    logits, labels = rng.normal(0, 2, (7, 3)).astype(np.float32), rng.integers(0, 3, 7).astype(np.int32)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    own = p[np.arange(7), labels]
    np.testing.assert_allclose(own_margin(labels, tf.constant(logits)), np.log(own / (1 - own)), rtol=1e-4, atol=1e-5)
    two = own_margin(np.array([0, 1]), tf.constant([[0.7], [0.7]]))
    np.testing.assert_allclose(two, [-0.7, 0.7])


def penalty_of(treatment: Treatment, batch: Batch, model: keras.Model) -> tf.Tensor:
    """What a treatment adds to the loss of a network."""
    forward = make_forward(model, BACKBONE, 1, treatment.layer)
    measured, minimised = treatment.loss(binary_crossentropy, batch, forward)
    return minimised - tf.reduce_mean(measured.loss)


def test_the_background_penalty_is_the_squared_gradient_outside_of_the_lung() -> None:
    """Of a logit Σ w x² / 2 the gradient by a grey is w x."""
    source = material("background_penalty", strength=0.5, margin=0.07)
    treatment = BackgroundPenalty(source)
    batch = batch_for(treatment, source, [0, 1, 5])
    w = np.random.default_rng(3).normal(0, 1e-4, (SIZE, SIZE)).astype(np.float32)

    def forward(pictures: tf.Tensor) -> Outputs:
        return Outputs(tf.reduce_sum(w * tf.square(pictures) / 2, axis=(1, 2))[:, None], None)

    measured, minimised = treatment.loss(binary_crossentropy, batch, forward)
    wide = np.stack([ndimage.grey_dilation(mask, size=(3, 3)) for mask in lungs()[[0, 1, 5]]])
    squares = (255 * w * source.pixels[[0, 1, 5]].astype(float)) ** 2
    expected = 0.5 * (squares * (wide == 0)).sum(axis=(1, 2)).mean()
    assert float(minimised - tf.reduce_mean(measured.loss)) == pytest.approx(expected, rel=1e-4)


def smooth_model() -> keras.Model:
    """A network without kinks, at which the gradient by a pixel would jump, and with batch normalisation."""
    keras.utils.set_random_seed(1)
    images = features = keras.Input((SIZE, SIZE, 3))
    for number in (1, 2):
        features = keras.layers.Conv2D(4, 3, strides=number, padding="same")(features)
        features = keras.layers.BatchNormalization()(features)
        features = keras.layers.Activation("tanh", name=f"tanh{number}")(features)
    pooled = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(images, keras.layers.Dense(1, name="logit")(pooled))


@pytest.mark.parametrize("kind", [BackgroundPenalty, AttentionPenalty])
@pytest.mark.parametrize("batch_norm", [fused_batch_norm, nullcontext])
def test_the_gradient_of_a_penalty_by_the_weights_is_its_finite_difference(
    kind: type, batch_norm: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along one random direction of all weights, at a network whose batch normalisation sees the batch."""
    source = material("background_penalty" if kind is BackgroundPenalty else "attention_penalty", strength=1.0)
    model = smooth_model()
    with batch_norm(model):
        check_finite_difference(kind(source), source, model, monkeypatch)


def check_finite_difference(
    treatment: Treatment, source: Material, model: keras.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(treatment, AttentionPenalty):
        treatment.layer = "tanh2"
    batch = batch_for(treatment, source, list(range(12)))
    rng = np.random.default_rng(4)
    directions = [rng.normal(0, 1, weight.shape).astype(np.float32) for weight in model.trainable_weights]
    length = np.sqrt(sum((direction**2).sum() for direction in directions))
    directions = [direction / length for direction in directions]
    if isinstance(treatment, AttentionPenalty):
        # The weights of the channels are constants of the gradient: those of the start.
        forward = make_forward(model, BACKBONE, 1, treatment.layer)
        with tf.GradientTape() as tape:
            logits, features = forward(batch.pictures)
            margin = tf.reduce_sum(own_margin(batch.labels, logits))
        fixed = tape.gradient(margin, features)
        monkeypatch.setattr("lungsight.training.penalties.grad_cam", lambda features, _: grad_cam(features, fixed))
    variables = [weight.value for weight in model.trainable_weights]
    with tf.GradientTape() as tape:
        penalty = penalty_of(treatment, batch, model)
    gradients = tape.gradient(penalty, variables, unconnected_gradients="zero")
    expected = sum(float(tf.reduce_sum(g * d)) for g, d in zip(gradients, directions, strict=True))
    start, step = [variable.numpy() for variable in variables], 2e-3
    values = []
    for sign in (1, -1):
        for variable, value, direction in zip(variables, start, directions, strict=True):
            variable.assign(value + sign * step * direction)
        values.append(float(penalty_of(treatment, batch, model)))
    assert abs(expected) > 1e-4
    assert (values[0] - values[1]) / (2 * step) == pytest.approx(expected, rel=0.03)


def test_no_gradient_goes_through_the_weights_of_the_channels() -> None:
    source = material("attention_penalty")
    model, treatment = new_model(), AttentionPenalty(source)
    batch = batch_for(treatment, source, list(range(8)))
    kernel = model.get_layer("logit").kernel.value
    with tf.GradientTape() as tape:
        penalty = penalty_of(treatment, batch, model)
    assert float(penalty) > 0
    assert not tf.reduce_any(tape.gradient(penalty, kernel, unconnected_gradients="zero") != 0)


def test_the_share_outside_is_by_mass_and_the_strength_rises() -> None:
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0, 0, 0], maps[0, 3, 3] = 3, 1
    outside = np.zeros((2, SIZE, SIZE), np.float32)
    outside[:, :4, :4] = 1
    np.testing.assert_allclose(share_outside(tf.constant(maps), tf.constant(outside)), [0.75, 0], atol=1e-5)
    source = material("attention_penalty", ramp=0.5)
    treatment = AttentionPenalty(source)
    assert [float(treatment.extras(draw([0], progress=done))[1]) for done in (0, 0.25, 0.5, 1)] == [0, 0.5, 1, 1]


def test_outside_of_an_unknown_lung_nothing_is_weighed() -> None:
    masks = lungs()[:2] * np.array([1, 0], np.uint8)[:, None, None]
    found = outside_the_lung(tf.constant(masks), 0, tf.constant(no_augmentation(2)[0])).numpy()
    np.testing.assert_array_equal(found[0], 1 - masks[0])
    assert not found[1].any()


def test_mixed_features_are_what_numpy_makes_of_them() -> None:
    rng = np.random.default_rng(5)
    features = rng.normal(2, 3, (4, 5, 5, 3)).astype(np.float32)
    share, order = rng.random(4).astype(np.float32), np.array([2, 0, 3, 1], np.int32)
    mean, deviation = (
        features.mean(axis=(1, 2), keepdims=True),
        np.sqrt(features.var(axis=(1, 2), keepdims=True) + 1e-6),
    )
    weight = share[:, None, None, None]
    mixed = weight * deviation + (1 - weight) * deviation[order], weight * mean + (1 - weight) * mean[order]
    expected = (features - mean) / deviation * mixed[0] + mixed[1]
    np.testing.assert_allclose(mix_styles(tf.constant(features), share, order), expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(mix_styles(tf.constant(features), np.ones(4, np.float32), order), features, atol=1e-4)


def test_shares_of_styles_are_drawn_by_the_beta_distribution() -> None:
    draws = [draw_mixing(np.random.default_rng(seed), 16, 0.5, 0.1) for seed in range(400)]
    mixes = [not (one.share == 1).all() for one in draws]
    assert np.mean(mixes) == pytest.approx(0.5, abs=0.08)
    shares = np.concatenate([one.share for one, mixed in zip(draws, mixes, strict=True) if mixed])
    assert shares.var() == pytest.approx(0.25 / (2 * 0.1 + 1), abs=0.01)  # of Beta(a, a): 1 / (4 (2 a + 1))


def test_a_style_changes_greys_by_its_formula_and_a_neutral_one_nothing() -> None:
    pictures = np.random.default_rng(6).uniform(0, 255, (3, SIZE, SIZE)).astype(np.float32)
    ones, zeros, none = np.ones(3, np.float32), np.zeros(3, np.float32), np.zeros(3, np.int32)
    seed = np.array([1, 2], np.int32)
    neutral = restyled(tf.constant(pictures), tuple(map(tf.constant, (ones, ones, zeros, zeros, zeros, none, seed))))
    np.testing.assert_allclose(neutral, pictures, atol=0.01)
    gamma, contrast, shift = (np.array(values, np.float32) for values in ([0.7, 1, 1.4], [1, 1.3, 0.8], [0, 0.1, -0.1]))
    changed = (gamma, contrast, shift, zeros, zeros, none, seed)
    found = restyled(tf.constant(pictures), tuple(map(tf.constant, changed)))
    g, c, s = (values[:, None, None] for values in (gamma, contrast, shift))
    expected = 255 * np.clip(((pictures / 255) ** g - 0.5) * c + 0.5 + s, 0, 1)
    np.testing.assert_allclose(found, expected, atol=0.05)
    noisy = restyled(
        tf.constant(np.full((1, 64, 64), 128, np.float32)),
        tuple(map(tf.constant, (ones[:1], ones[:1], zeros[:1], zeros[:1], 0.05 * ones[:1], none[:1], seed))),
    )
    assert float(np.std(noisy)) == pytest.approx(0.05 * 255, rel=0.05)


def test_each_picture_is_blurred_by_its_own_gaussian() -> None:
    pictures = np.random.default_rng(7).uniform(0, 255, (2, 40, 40)).astype(np.float32)
    found = gaussian_blur(tf.constant(pictures), tf.constant([0.0, 1.5])).numpy()
    np.testing.assert_allclose(found[0], pictures[0], atol=1e-3)
    expected = ndimage.gaussian_filter(pictures[1], 1.5, truncate=8)
    np.testing.assert_allclose(found[1, 12:-12, 12:-12], expected[12:-12, 12:-12], atol=0.01)


def test_a_lower_quality_of_jpeg_is_further_from_the_picture() -> None:
    rows = np.linspace(0, 255, 64)
    picture = np.clip(rows[:, None] + np.random.default_rng(8).normal(0, 20, (64, 64)), 0, 255).astype(np.float32)
    found = jpeg(tf.constant(np.stack([picture] * 3)), tf.constant([0, 90, 10])).numpy()
    np.testing.assert_array_equal(found[0], picture)
    errors = [np.abs(each - picture).mean() for each in found[1:]]
    assert 0 < errors[0] < 5 < errors[1]


def test_drawn_styles_stay_in_their_ranges() -> None:
    settings = DEFAULTS["style"] | {"probability": 1}
    style = draw_style(np.random.default_rng(9), 500, 100, settings)
    ranges = [(0.7, 1.4), (0.7, 1.3), (-0.1, 0.1), (0, 2), (0, 0.05), (10, 95)]
    for values, (low, high) in zip(style[:6], ranges, strict=True):
        assert low <= values.min() < low + 0.1 * (high - low) and high - 0.1 * (high - low) < values.max() <= high
    never = draw_style(np.random.default_rng(9), 5, 100, settings | {"probability": 0})
    np.testing.assert_array_equal(np.stack(never[:6]), np.repeat([[1], [1], [0], [0], [0], [0]], 5, axis=1))


def test_styles_are_mixed_at_a_quarter_of_the_resolution() -> None:
    assert early_layer(new_model()).name == "relu3"
    resnet = backbones.load("resnet50").build(64)
    assert early_layer(resnet).name == "conv2_block3_out"


def test_the_weights_of_groups_follow_their_losses() -> None:
    q, losses = np.array([0.2, 0.5, 0.3], np.float32), np.array([1.0, 0.0, 3.0], np.float32)
    grown = q * np.exp(0.7 * losses)
    np.testing.assert_allclose(next_weights(tf.constant(q), tf.constant(losses), 0.7), grown / grown.sum(), rtol=1e-6)
    means = mean_by_group_of(tf.constant([1.0, 2.0, 6.0]), tf.constant([0, 2, 2]), 3)
    np.testing.assert_allclose(means, [1, 0, 4])


def test_groups_are_of_source_and_class() -> None:
    sources, labels = np.array(["b", "a", "a", "b"]), np.array([0, 1, 0, 0])
    assert groups_of(sources, labels).tolist() == [2, 1, 0, 2]
    assert not coincide(sources, labels)
    assert coincide(np.array(["b", "a", "a"]), np.array([0, 1, 1]))
    assert not coincide(np.array(["a", "a"]), np.array([0, 1]))
    source = material("group_dro")
    source.sources[:] = source.labels.astype(str)
    with pytest.raises(UserError, match="the source of a slice tells its class"):
        GroupDro(source)


def test_a_step_minimises_the_weighted_losses_of_its_groups() -> None:
    source = material("group_dro", step_size=0.5)
    treatment = GroupDro(source)
    chosen = [0, 3, 4, 9, 17]
    batch = batch_for(treatment, source, chosen)
    logits = np.array([[0.3], [-1.0], [2.0], [0.1], [0.4]], np.float32)
    measured, minimised = treatment.loss(binary_crossentropy, batch, lambda _: Outputs(tf.constant(logits), None))
    of_group = groups_of(source.sources, source.labels)[chosen]
    of_each = [measured.loss.numpy()[of_group == group] for group in range(treatment.n)]
    losses = np.array([each.mean() if len(each) else 0 for each in of_each])
    q = np.exp(0.5 * losses) / np.exp(0.5 * losses).sum()
    assert float(minimised) == pytest.approx(float((q * losses).sum()), rel=1e-5)
    np.testing.assert_allclose(treatment.weights.numpy(), q, rtol=1e-5)


def trained(name: str, folder: Path | None = None, epochs_before_the_kill: int | None = None) -> keras.Model:
    """Train a network with a remedy; with a folder it is killed once, and goes on."""
    source = material(name)
    labelled = LabelledImages(source.pixels, source.rows, source.labels, source.patients)
    plan = TrainingPlan(epochs=3, batch_size=6, learning_rate=1e-2, seed=3, stage=1)
    make = remedies.load(name).treatment
    model = new_model(name)
    checkpoint = Checkpoint.of(folder, {"name": name}) if folder else None
    treatment = make(source) if make else Treatment()
    fit(model, BACKBONE, binary_crossentropy, labelled, labelled, plan, checkpoint, treatment)
    return model


@pytest.mark.parametrize("name", [name for name in remedies.names() if name not in ("crop", "background_penalty")])
def test_a_training_that_was_killed_ends_with_the_weights_of_an_undisturbed_one(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = trained(name)
    save = Checkpoint.save

    def save_and_stop(self: Checkpoint, *state: object) -> None:
        save(self, *state)  # pyright: ignore[reportArgumentType]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Checkpoint, "save", save_and_stop)
        trained(name, tmp_path)
    resumed = trained(name, tmp_path)
    for one, other in zip(resumed.get_weights(), undisturbed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_strongest_within_one_standard_error_is_chosen() -> None:
    # Of 100 patients and 0.9 the standard error is 0.03.
    assert strongest_within_one_error([0.90, 0.88, 0.86], 100) == 1
    assert strongest_within_one_error([0.80, 0.90, 0.869], 100) == 1
    assert strongest_within_one_error([0.80, 0.90, 0.871], 100) == 2


def test_the_chosen_training_starts_as_the_others_and_leaves_its_weights() -> None:
    candidates = strengths_of({"remedy": {"name": "background_penalty", "strength": None, "candidates": [1, 0.1]}})
    assert [each["remedy"]["strength"] for each in candidates] == [0.1, 1]
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[5.0]])])
    seen = []

    def train_one(settings: dict) -> list[dict]:
        seen.append(float(model.get_weights()[0][0, 0]))
        model.set_weights([np.array([[settings["remedy"]["strength"]]])])
        accuracy = {0.1: 0.9, 1: 0.5}[settings["remedy"]["strength"]]
        return [{"kept": 1, "val_accuracy": accuracy, "of": settings["remedy"]["strength"]}]

    history, chosen = train_the_chosen(model, candidates, 30, train_one)
    assert seen == [5.0, 5.0] and history[0]["of"] == chosen["strength"] == 0.1
    assert model.get_weights()[0][0, 0] == pytest.approx(0.1)
    assert strengths_of({"remedy": {"name": "style"}}) == [{"remedy": {"name": "style"}}] and strengths_of({}) == [{}]
