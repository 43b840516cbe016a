"""Extreme learning machines against scikit-learn's ridge regression, their vote, and the saved model."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression, Ridge

from lungsight.audit.model_outputs import ModelOutputs
from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.explain.gradcam import PRIMARY, THESIS, GradCam, methods_for
from lungsight.training import backbones, extreme_learning
from lungsight.training.extreme_learning import SOLVED, random_neurons, ridge, slope_of_logit, solve_head
from lungsight.training.fit import TrainingPlan
from lungsight.training.heads import MACHINES
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import binary_crossentropy
from lungsight.training.network import build_classifier, logits_of, to_input
from lungsight.training.pipelines import check_pipelines
from lungsight.training.solvers import SOLVERS

SIZE, UNITS = 16, 12
SETTINGS = {"image_size": SIZE, "head": "extreme_learning_machines", "head_units": UNITS, "batch_norm_momentum": 0.7}


def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_classifier(backbones.load("small_cnn"), SETTINGS)


def labelled(seed: int, n: int = 40) -> LabelledImages:
    """Make images of two classes; the second is brighter."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    pixels = np.clip(100 + 40 * labels[:, None, None] + rng.normal(0, 30, (n, SIZE, SIZE)), 0, 255).astype(np.uint8)
    return LabelledImages(pixels, np.arange(n), labels)


@pytest.fixture(scope="module")
def solved() -> tuple[keras.Model, list[dict]]:
    model = network()
    plan = TrainingPlan(epochs=5, batch_size=8, learning_rate=1e-3, seed=7, elm_c=0.5)
    history = SOLVERS["closed_form"](
        logits_of(model), backbones.load("small_cnn"), binary_crossentropy, labelled(0), labelled(1), plan
    )
    return model, history


def test_features_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extreme_learning, "run_in_batches", lambda *_: np.array([[1.0, np.inf]]))
    plan = TrainingPlan(epochs=5, batch_size=8, learning_rate=1e-3, seed=7, elm_c=0.5)
    with pytest.raises(UserError, match="features of the backbone are not numbers"):
        SOLVERS["closed_form"](
            logits_of(network()), backbones.load("small_cnn"), binary_crossentropy, labelled(0), labelled(1), plan
        )


@pytest.mark.parametrize("c", [0.01, 1.0, 100.0])
def test_the_weights_equal_ridge_regression(c: float) -> None:
    rng = np.random.default_rng(0)
    hidden, targets = rng.normal(size=(50, 20)), rng.choice([-1.0, 1.0], 50)
    expected = Ridge(alpha=1 / c, fit_intercept=False, solver="cholesky").fit(hidden, targets).coef_
    np.testing.assert_allclose(ridge(hidden, targets, c), expected, rtol=1e-8)
    formula = np.linalg.inv(np.eye(20) / c + hidden.T @ hidden) @ hidden.T @ targets
    np.testing.assert_allclose(ridge(hidden, targets, c), formula, rtol=1e-8)


def test_random_neurons_see_standardised_features() -> None:
    features = np.random.default_rng(0).normal([5, -3, 0], [10, 0.1, 1], (4000, 3))
    features[:, 2] = 2.0  # a constant feature has deviation 0
    weights, offsets = random_neurons(np.random.default_rng(1), features, 500)
    standardised = (features - features.mean(axis=0)) / [features[:, 0].std(), features[:, 1].std(), 1]
    again = np.random.default_rng(1)
    drawn = again.uniform(-1, 1, (3, 500))
    expected = standardised @ drawn + again.uniform(-1, 1, 500)
    np.testing.assert_allclose(features @ weights + offsets, expected, atol=1e-9)


def activations(sums: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "relu": np.maximum(sums, 0),
        "prelu": np.where(sums > 0, sums, 0.25 * sums),
        "tanhrelu": np.where(sums > 0, sums, np.tanh(sums)),
    }


def test_each_machine_is_ridge_regression_on_its_own_neurons() -> None:
    model, rng = network(), np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 128)).astype(np.float32), rng.integers(0, 2, 60)
    solve_head(model, features, labels, c=2.0, seed=5)
    pooled = model.get_layer("pooled").output
    margins = []
    for name in MACHINES:
        weights, offsets = model.get_layer(f"random_{name}").get_weights()
        hidden = activations(features.astype(float) @ weights + offsets)[name]
        expected = Ridge(alpha=0.5, fit_intercept=False).fit(hidden, 2 * labels - 1).predict(hidden)
        margin = keras.Model(pooled, model.get_layer(f"margin_{name}").output)(features).numpy()[:, 0]
        np.testing.assert_allclose(margin, expected, atol=2e-3)
        margins.append(margin)
    median = keras.Model(pooled, model.get_layer("median").output)(features).numpy()[:, 0]
    np.testing.assert_allclose(median, np.median(margins, axis=0), atol=1e-6)
    # The sign of the median is the vote of two in three.
    votes = (np.array(margins) >= 0).sum(axis=0)
    assert ((median >= 0) == (votes >= 2)).all()
    assert (votes % 3 != 0).sum() > 0  # the machines do not all agree


def test_the_slope_equals_logistic_regression_without_an_offset() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    margins = 0.4 * (2 * labels - 1) + rng.normal(0, 0.5, 200)
    fitted = LogisticRegression(C=np.inf, fit_intercept=False).fit(margins[:, None], labels)
    assert slope_of_logit(margins, labels) == pytest.approx(fitted.coef_[0, 0], rel=1e-3)
    assert 15 < slope_of_logit(np.where(labels == 1, 1.0, -1.0), labels) <= 20  # separable: bounded


def test_a_solution_has_a_history_of_one_epoch_and_separates_the_classes(solved) -> None:
    model, (row,) = solved
    assert (row["epoch"], row["kept"], row["stopped"], row["learning_rate"]) == (1, 1, SOLVED, None)
    assert row["val_accuracy"] > 0.9
    probability = model(to_input(backbones.load("small_cnn"), labelled(1).pixels)).numpy()[:, 0]
    assert ((probability >= 0.5) == (labelled(1).labels == 1)).mean() == pytest.approx(row["val_accuracy"])


def test_the_backbone_is_not_trained_and_the_seed_fixes_the_draws(solved) -> None:
    fresh = network()
    np.testing.assert_array_equal(
        solved[0].get_layer("conv1").get_weights()[0], fresh.get_layer("conv1").get_weights()[0]
    )
    plan = TrainingPlan(epochs=1, batch_size=8, learning_rate=1e-3, seed=7, elm_c=0.5)
    SOLVERS["closed_form"](
        logits_of(fresh), backbones.load("small_cnn"), binary_crossentropy, labelled(0), labelled(1), plan
    )
    for weights, expected in zip(fresh.get_weights(), solved[0].get_weights(), strict=True):
        np.testing.assert_array_equal(weights, expected)


def test_the_saved_model_is_read_explained_and_audited(solved, tmp_path) -> None:
    backbone = backbones.load("small_cnn")
    solved[0].save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    pixels = labelled(1).pixels[:4]
    inputs = to_input(backbone, pixels)
    np.testing.assert_allclose(model(inputs), solved[0](inputs), atol=1e-6)
    maps = GradCam(model, methods_for(model, backbone.explained_layer))(inputs, np.array([True, False, True, False]))
    assert maps[PRIMARY].shape == maps[THESIS].shape == (4, 2, 2)
    assert (maps[PRIMARY] > 0).any(axis=(1, 2)).any()
    outputs = ModelOutputs(model, backbone)(pixels)
    assert outputs.features.shape == (4, 3 * UNITS)
    np.testing.assert_allclose(outputs.probability_of(np.ones(4)), model(inputs).numpy()[:, 0], atol=1e-5)


def test_the_map_is_that_of_the_machine_with_the_median_margin(solved) -> None:
    model, backbone = solved[0], backbones.load("small_cnn")
    inputs = to_input(backbone, labelled(2).pixels[:8])
    named = [model.get_layer(f"margin_{name}").output for name in MACHINES]
    margins = np.concatenate(keras.Model(model.input, named)(inputs), axis=1)
    maps = GradCam(model, methods_for(model, backbone.explained_layer))(inputs, np.ones(8, bool))[PRIMARY]
    layer = model.get_layer(backbone.explained_layer).output
    slope = model.get_layer("logit").get_weights()[0][0, 0]
    for number, deciding in enumerate(np.argsort(margins, axis=1)[:, 1]):
        outputs = keras.Model(model.input, [layer, named[deciding]])
        with tf.GradientTape() as tape:
            features, _ = outputs(inputs[number : number + 1])
            tape.watch(features)
            pooled = tf.reduce_mean(features, axis=(1, 2))
            margin = keras.Model(model.get_layer("pooled").output, named[deciding])(pooled)
        gradient = tape.gradient(margin, features)
        expected = np.maximum((features * slope * tf.reduce_mean(gradient, (1, 2), keepdims=True)).numpy().sum(-1), 0)
        np.testing.assert_allclose(maps[number], expected[0], atol=1e-4)


def test_a_head_without_its_solver_is_refused() -> None:
    cohorts = {"a": {"role": "target", "format": "png", "root": "data", "table": "t.tsv"}}
    machines = {"solver": "closed_form", "head": "extreme_learning_machines"}
    for training, published_models in (
        ({"solver": "closed_form"}, []),
        ({"head": "extreme_learning_machines"}, []),
        (machines, ["bai2020"]),  # bai2020 sets another head
    ):
        pipelines = {"backbones": [] if published_models else ["resnet50"], "systems": published_models}
        config = {"results": "r", "cohorts": cohorts, "training": training, "pipelines": pipelines}
        with pytest.raises(UserError, match="closed_form is for head: extreme_learning_machines"):
            check_pipelines(complete_config(config))
    check_pipelines(complete_config({"results": "r", "cohorts": cohorts, "training": machines}))
