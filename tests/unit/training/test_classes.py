"""Networks of more than two classes: losses against formulas, heads, what stage 2 keeps, and what tables hold."""

from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.utils.class_weight import compute_class_weight

from lungsight.classes import Classes
from lungsight.files import write_json
from lungsight.intake.cohort_table import TableRow
from lungsight.tables import check_table
from lungsight.training import backbones
from lungsight.training.bags import group_numbers
from lungsight.training.cohort_classes import class_notices
from lungsight.training.extreme_learning import slope_of_logits, solve_head
from lungsight.training.fit import TrainingPlan
from lungsight.training.heads import HEADS, MACHINES
from lungsight.training.image_cache import CachedImages
from lungsight.training.inference import predict_slices
from lungsight.training.labelled_images import LabelledImages
from lungsight.training.losses import CATEGORICAL_LOSSES, LOSSES
from lungsight.training.network import build_classifier, logits_of
from lungsight.training.provenance import describe_training
from lungsight.training.solvers import SOLVERS
from lungsight.training.stage_training import Start, describe_classes, in_float32, objective_of

LABELS = ["Covid-19", "CAP", "Normal"]
THREE = Classes.of(LABELS)
BACKBONE = backbones.load("small_cnn")
SIZE = 32
SETTINGS = {
    **{"image_size": SIZE, "head_units": 8, "head_activation": "sigmoid", "batch_norm_momentum": 0.8},
    **{"precision": "float32", "loss": "binary_crossentropy", "label_smoothing": 0.0, "class_costs": None},
}
Y = np.array([0] * 6 + [1] * 3 + [2] * 3)
LOGITS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


def log_p() -> np.ndarray:
    logits = LOGITS.astype(float)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def labelled(seed: int, k: int = 3, n: int = 24) -> LabelledImages:
    """Images whose brightness says the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    pixels = np.clip(rng.normal(60 + 70 * labels[:, None, None], 10, (n, SIZE, SIZE)), 0, 255).astype(np.uint8)
    return LabelledImages(pixels, np.arange(n), labels, group_numbers(np.arange(n) // k))


def test_classes_are_numbered_as_networks_learn_them() -> None:
    words = pd.Series(["Normal", "Covid-19", "CAP"])
    assert THREE.numbers_of(words).tolist() == [2, 0, 1]
    assert Classes.of(["Covid-19", "CAP"]).numbers_of(words[1:]).tolist() == [1, 0]
    assert (THREE.outputs, Classes.of(["a", "b"]).outputs) == (3, 1)
    two = THREE.among(["Normal", "Covid-19"])
    assert (two.names, two.outputs, two.numbers_of(words[:2]).tolist()) == (("Covid-19", "Normal"), 2, [1, 0])
    assert Classes.of(["a", "b"]).among(["a"]).names == ("a", "b")


def test_the_loss_is_minus_the_log_of_the_true_classs_probability() -> None:
    found = CATEGORICAL_LOSSES["binary_crossentropy"](Y, SETTINGS, 3)(Y, LOGITS)
    np.testing.assert_allclose(found.loss, -log_p()[np.arange(12), Y], rtol=1e-5)
    assert found.correct.numpy().tolist() == (LOGITS.argmax(axis=1) == Y).tolist()
    assert list(CATEGORICAL_LOSSES) == list(LOSSES)


def test_smoothed_targets_share_what_the_true_class_gives_up() -> None:
    found = CATEGORICAL_LOSSES["binary_crossentropy"](Y, SETTINGS | {"label_smoothing": 0.3}, 3)(Y, LOGITS)
    targets = 0.7 * np.eye(3)[Y] + 0.1
    np.testing.assert_allclose(found.loss, -(targets * log_p()).sum(axis=1), rtol=1e-5)


def test_class_weights_are_scikit_learns() -> None:
    found = CATEGORICAL_LOSSES["class_weighted"](Y, SETTINGS, 3)(Y, LOGITS)
    weights = compute_class_weight("balanced", classes=np.arange(3), y=Y)
    np.testing.assert_allclose(found.loss, -weights[Y] * log_p()[np.arange(12), Y], rtol=1e-5)


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        (None, [0.5, 0.75, 0.75]),
        ([5.0, 1.0, 0.5], [5.0, 1.0, 0.5]),
        ([[0, 4, 6], [1, 0, 1], [0.5, 0.5, 0]], [10.0, 2.0, 1.0]),
    ],
    ids=["by frequency", "by class", "a matrix"],
)
def test_costs_weigh_the_classes(costs, expected: list[float]) -> None:
    settings = SETTINGS | {"class_costs": costs, "loss": "cost_sensitive"}
    found = CATEGORICAL_LOSSES["cost_sensitive"](Y, settings, 3)(Y, LOGITS)
    np.testing.assert_allclose(found.loss, -np.array(expected)[Y] * log_p()[np.arange(12), Y], rtol=1e-5)


def test_a_model_of_some_classes_has_their_costs() -> None:
    """The stage knows Covid-19 and Normal: of a matrix, their rows and columns."""
    images = labelled(0, k=2)
    logits = np.random.default_rng(1).normal(size=(24, 2)).astype(np.float32)
    for costs, weights in (([5.0, 1.0, 0.5], [5.0, 0.5]), ([[0, 4, 6], [1, 0, 1], [0.5, 0.5, 0]], [6.0, 0.5])):
        settings = SETTINGS | {"class_costs": costs, "loss": "cost_sensitive"}
        objective = objective_of(settings, images, THREE.among(["Covid-19", "Normal"]), LABELS)
        log_of = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        expected = -np.array(weights)[images.labels] * log_of[np.arange(24), images.labels]
        np.testing.assert_allclose(objective(images.labels, logits).loss, expected, rtol=1e-5)


@pytest.mark.parametrize("head", list(HEADS))
def test_every_head_has_a_logit_for_each_class(head: str) -> None:
    model = build_classifier(BACKBONE, SETTINGS | {"head": head}, outputs=4)
    outputs = model(np.random.default_rng(0).normal(size=(5, SIZE, SIZE, 3)).astype(np.float32)).numpy()
    assert outputs.shape == (5, 4)
    np.testing.assert_allclose(outputs.sum(axis=1), 1, rtol=1e-5)


def test_training_learns_three_classes_and_stays_so_in_float32() -> None:
    keras.utils.set_random_seed(0)
    settings = SETTINGS | {"precision": "mixed_bfloat16"}
    model = Start().build("small_cnn", BACKBONE, settings, THREE)
    images = labelled(0)
    plan = TrainingPlan(epochs=12, batch_size=8, learning_rate=5e-3, seed=1)
    history = SOLVERS["gradient"](
        logits_of(model), BACKBONE, objective_of(settings, images, THREE, LABELS), images, labelled(1), plan
    )
    assert history[0]["loss"] == pytest.approx(np.log(3), abs=0.5)
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert in_float32(model, BACKBONE, settings).output.shape == (None, 3)


def saved_parent(folder: Path, classes: Classes, head: str = "dense") -> tuple[Start, keras.Model]:
    keras.utils.set_random_seed(3)
    settings = SETTINGS | {"head": head}
    parent = Start().build("small_cnn", BACKBONE, settings, classes)
    parent.get_layer("logit").set_weights(
        [
            np.arange(len(classes) * parent.get_layer("logit").input.shape[-1])
            .reshape(-1, len(classes))
            .astype(np.float32),
            np.arange(len(classes), dtype=np.float32),
        ]
    )
    parent.save(folder / "model.keras")
    described = describe_training("small_cnn", BACKBONE, settings, 0, "")
    names = {} if classes.sigmoid else {"labels": LABELS, "classes": list(classes.names)}
    write_json(folder / "provenance.json", described | {"weights": {"origin": "scratch"}} | names)
    return Start.of({"parent": str(folder)}), parent


def test_stage_2_keeps_what_it_shares_with_stage_1_and_adds_a_class(tmp_path: Path) -> None:
    start, parent = saved_parent(tmp_path, THREE.among(["Covid-19", "Normal"]))
    model = start.build("small_cnn", BACKBONE, SETTINGS, THREE)
    for layer in model.layers:
        if layer.name != "logit":
            for own, of_parent in zip(layer.get_weights(), parent.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(own, of_parent)
    (kernel, bias), (old_kernel, old_bias) = (one.get_layer("logit").get_weights() for one in (model, parent))
    np.testing.assert_array_equal(kernel[:, [0, 2]], old_kernel)
    np.testing.assert_array_equal(bias[[0, 2]], old_bias)
    assert bias[1] == 0 and 0 < np.abs(kernel[:, 1]).max() < 1, "CAP begins as a fresh output does"
    assert describe_classes(start, THREE) == {
        "classes": LABELS,
        "head": {"kept": ["Covid-19", "Normal"], "new": ["CAP"], "dropped": []},
    }
    logits = [logits_of(one)(np.ones((1, SIZE, SIZE, 3), np.float32)).numpy()[0] for one in (model, parent)]
    np.testing.assert_allclose(logits[0][[0, 2]], logits[1], rtol=1e-5)


def test_stage_2_without_a_class_drops_its_output(tmp_path: Path) -> None:
    start, parent = saved_parent(tmp_path, THREE)
    two = THREE.among(["Covid-19", "Normal"])
    model = start.build("small_cnn", BACKBONE, SETTINGS, two)
    np.testing.assert_array_equal(
        model.get_layer("logit").get_weights()[0], parent.get_layer("logit").get_weights()[0][:, [0, 2]]
    )
    assert describe_classes(start, two)["head"] == {"kept": ["Covid-19", "Normal"], "new": [], "dropped": ["CAP"]}
    same = start.build("small_cnn", BACKBONE, SETTINGS, THREE)
    np.testing.assert_array_equal(same.get_layer("logit").get_weights()[0], parent.get_layer("logit").get_weights()[0])
    assert describe_classes(start, THREE) == {"classes": LABELS, "head": None}
    assert describe_classes(Start(), Classes.of(["a", "b"])) == {}


def test_machines_are_solved_for_each_class() -> None:
    model = build_classifier(BACKBONE, SETTINGS | {"head": "extreme_learning_machines"}, outputs=3)
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(60, 128)).astype(np.float32), rng.integers(0, 3, 60)
    solve_head(model, features, labels, c=2.0, seed=5)
    pooled, margins = model.get_layer("pooled").output, []
    for name in MACHINES:
        hidden = keras.Model(pooled, model.get_layer("hidden").output)(features).numpy().astype(float)
        block = np.array_split(hidden, 3, axis=1)[list(MACHINES).index(name)]
        targets = np.where(labels[:, None] == np.arange(3), 1, -1)
        expected = Ridge(alpha=0.5, fit_intercept=False).fit(block, targets).predict(block)
        margin = keras.Model(pooled, model.get_layer(f"margin_{name}").output)(features).numpy()
        np.testing.assert_allclose(margin, expected, atol=2e-3)
        margins.append(margin)
    median = keras.Model(pooled, model.get_layer("median").output)(features).numpy()
    np.testing.assert_allclose(median, np.median(margins, axis=0), atol=1e-6)


def test_one_slope_makes_logits_of_margins() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 400)
    margins = 0.5 * (2 * np.eye(3)[labels] - 1) + rng.normal(0, 0.6, (400, 3))

    def loss(slope: float) -> float:
        p = np.exp(slope * margins) / np.exp(slope * margins).sum(axis=1, keepdims=True)
        return float(-np.log(p[np.arange(400), labels]).mean())

    slope = slope_of_logits(margins, labels)
    assert loss(slope) < min(loss(0.95 * slope), loss(1.05 * slope))


def test_a_closed_form_of_three_classes_separates_them() -> None:
    settings = SETTINGS | {"head": "extreme_learning_machines", "head_units": 24}
    model = build_classifier(BACKBONE, settings, outputs=3)
    plan = TrainingPlan(epochs=1, batch_size=8, learning_rate=1e-3, seed=7)
    images = labelled(0, n=60)
    (row,) = SOLVERS["closed_form"](
        logits_of(model), BACKBONE, objective_of(settings, images, THREE, LABELS), images, labelled(1), plan
    )
    assert row["val_accuracy"] > 0.9


@pytest.mark.parametrize("bag_size", [1, 2])
def test_predictions_hold_every_class_of_the_run(tmp_path: Path, bag_size: int) -> None:
    keras.utils.set_random_seed(0)
    known = THREE.among(["Covid-19", "Normal"])
    model = build_classifier(BACKBONE, SETTINGS, outputs=2)
    model.save(tmp_path / "model.keras")
    pixels = labelled(0).pixels
    names = [f"{n:016x}-0000" for n in range(len(pixels))]
    patients = [f"{n // 2:016x}" for n in range(len(pixels))]
    settings = SETTINGS | {"bag_size": bag_size}
    provenance = describe_training("small_cnn", BACKBONE, settings, 0, "") | {
        "labels": LABELS,
        "classes": [*known.names],
    }
    split = pd.DataFrame({"slice": names, "patient": patients, "label": "CAP", "split": "test"})
    table = predict_slices(tmp_path / "model.keras", provenance, split, CachedImages(pixels, pd.Index(names)))
    check_table(table, "predictions", "here")
    outputs = model(BACKBONE.preprocess(np.repeat(pixels[..., None], 3, axis=-1).astype(np.float32))).numpy()
    np.testing.assert_allclose(table[["p_1", "p_3"]], outputs, atol=1e-5)
    assert (table["p_2"] == 0).all() and (table["probability"] == table["p_1"]).all()
    np.testing.assert_allclose(table[["p_1", "p_2", "p_3"]].sum(axis=1), 1, atol=1e-9)
    assert list(table["predicted"]) == [known.names[place] for place in outputs.argmax(axis=1)]
    if bag_size > 1:
        assert (table["patient_probability"] == table["patient_p_1"]).all()
        assert table.groupby("patient")["patient_p_3"].nunique().max() == 1


def rows(*labels: str) -> list[TableRow]:
    return [TableRow(n, f"P{n}", f"{n}.png", label, "", "", "") for n, label in enumerate(labels, start=1)]


def test_a_class_that_stage_1_never_saw_is_said_at_the_start() -> None:
    config = {
        "labels": {name: [name] for name in LABELS},
        "cohorts": {"curated": {"role": "public"}, "hospital": {"role": "target"}},
    }
    two, three = rows("Covid-19", "Normal"), rows(*LABELS)
    (sentence,) = class_notices(config, {"curated": two, "hospital": three})
    assert "stage 1 (curated) never sees CAP" in sentence
    assert "new head for Covid-19, CAP and Normal; the weights of Covid-19 and Normal are kept" in sentence
    (sentence,) = class_notices(config, {"curated": three, "hospital": two})
    assert "stage 2 (hospital) has no CAP" in sentence
    assert class_notices(config, {"curated": three, "hospital": three}) == []
    one_stage = config | {"cohorts": {"curated": {"role": "public"}}}
    assert class_notices(one_stage, {"curated": two}) == []
    binary = config | {"labels": {"Covid-19": [], "Normal": []}}
    assert class_notices(binary, {"curated": rows("Covid-19"), "hospital": two}) == []
