"""Maps with more than two classes: what they explain, against gradients written out, and what tables say of it."""

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy.special import logit, softmax

from lungsight.audit.model_outputs import ModelOutputs
from lungsight.classes import Classes, margins_of
from lungsight.explain.explanation import SliceImages, identity_of
from lungsight.explain.gradcam import PRIMARY, THESIS, GradCam, methods_for
from lungsight.explain.methods import explain_by_all, explain_each_class
from lungsight.explain.overlays import LONGEST_WORD, draw_overlay, title_of
from lungsight.explain.sampling import pictures_of, sampling_rule
from lungsight.tables import check_table
from lungsight.training import backbones
from lungsight.training.network import build_classifier, to_input

SIZE, NAMES = 32, ("Covid-19", "CAP", "Normal")
CLASSES = Classes.of(NAMES)
BACKBONE = backbones.load("small_cnn")
HEAD = {"image_size": SIZE, "head_units": 8, "head_activation": "relu", "batch_norm_momentum": 0.9}
SETTINGS = {"sample": 2, "methods": ["scorecam", "gradcam_plus_plus"], "score_cam_channels": 4, "iou_level": 0.5}


@pytest.fixture(scope="module")
def model() -> keras.Model:
    keras.utils.set_random_seed(3)
    return build_classifier(BACKBONE, HEAD, outputs=3)


@pytest.fixture(scope="module")
def slices(model: keras.Model) -> SliceImages:
    """Six slices, two of each class, with what the model predicts for them."""
    images = np.random.default_rng(1).integers(0, 256, (6, SIZE, SIZE)).astype(np.uint8)
    masks = np.zeros(images.shape, bool)
    masks[:, 8:24, 8:24] = True
    scores = model(to_input(BACKBONE, images), training=False).numpy().astype(np.float64)
    table = pd.DataFrame(
        {
            "slice": [f"{k:016x}-0000" for k in range(6)],
            "patient": [f"{k:016x}" for k in range(6)],
            "label": NAMES * 2,
            "probability": scores[:, 0],
            "predicted": [NAMES[place] for place in scores.argmax(axis=1)],
        }
    )
    return SliceImages(table, images, masks, scores=scores)


def test_the_margin_is_the_logit_of_the_probability() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(9, 4))
    numbers = np.arange(9) % 4
    np.testing.assert_allclose(margins_of(logits, numbers), logit(softmax(logits, axis=1)[np.arange(9), numbers]))
    one = logits[:, :1]
    assert margins_of(one, np.ones(9)).tolist() == one[:, 0].tolist()
    assert margins_of(one, np.zeros(9)).tolist() == (-one[:, 0]).tolist()


def test_the_map_explains_the_logit_minus_the_logsumexp_of_the_others(model: keras.Model, slices: SliceImages) -> None:
    inputs, numbers = to_input(BACKBONE, slices.images), np.array([0, 1, 2, 2, 1, 0])
    parts = keras.Model(model.inputs, model.get_layer(BACKBONE.explained_layer).output)
    channels = parts(inputs, training=False)
    rows, others = np.arange(6), [[k for k in range(3) if k != number] for number in numbers]
    with tf.GradientTape() as tape:
        tape.watch(channels)
        z = model.get_layer("logit")(model.get_layer("hidden")(tf.reduce_mean(channels, axis=(1, 2))))
        rest = tf.math.log(tf.reduce_sum(tf.exp(tf.gather(z, others, batch_dims=1)), axis=1))
        margin = tf.gather(z, numbers, batch_dims=1) - rest
    weights = tf.reduce_mean(tape.gradient(margin, channels), axis=(1, 2))
    expected = np.maximum(np.einsum("nhwc,nc->nhw", channels, weights), 0)
    explainer = GradCam(model, methods_for(model, BACKBONE.explained_layer))
    maps = explainer(inputs, numbers)
    np.testing.assert_allclose(maps[PRIMARY], expected, atol=1e-6)
    assert maps[THESIS].shape[0] == len(rows)
    outputs = ModelOutputs(model, BACKBONE)(slices.images)
    np.testing.assert_allclose(outputs.maps(numbers), expected, atol=1e-5)
    np.testing.assert_allclose(outputs.probability_of(numbers), slices.scores[rows, numbers], atol=1e-5)
    assert outputs.numbers.tolist() == slices.scores.argmax(axis=1).tolist()


def test_two_logits_give_the_map_of_their_difference() -> None:
    """With two classes, the margin is the one logit of a sigmoid."""
    keras.utils.set_random_seed(4)
    two = build_classifier(BACKBONE, HEAD, outputs=2)
    one = build_classifier(BACKBONE, HEAD, outputs=1)
    kernel, bias = two.get_layer("logit").get_weights()
    for layer in one.layers:
        layer.set_weights(two.get_layer(layer.name).get_weights() if layer.name != "logit" else layer.get_weights())
    one.get_layer("logit").set_weights([kernel[:, :1] - kernel[:, 1:], bias[:1] - bias[1:]])
    images = np.random.default_rng(5).uniform(0, 255, (4, SIZE, SIZE, 3)).astype(np.float32)
    places = np.array([0, 1, 0, 1])
    of_two, of_one = (
        GradCam(network, methods_for(network, BACKBONE.explained_layer))(images, numbers)[PRIMARY]
        for network, numbers in ((two, places), (one, 1 - places))
    )
    np.testing.assert_allclose(of_two, of_one, atol=1e-5)


def test_tables_say_which_class_is_explained(model: keras.Model, slices: SliceImages) -> None:
    explained, _ = explain_by_all(model, BACKBONE, slices, CLASSES, SETTINGS)
    table = explained[PRIMARY].table
    check_table(table, "saliency", "saliency")
    assert (table["explained"] == table["predicted"]).all()
    assert table["explained_probability"].tolist() == pytest.approx(slices.scores.max(axis=1))
    right = (table["label"] == table["predicted"]).to_numpy()
    assert (table["outcome"] == np.where(right, "right", "wrong")).all()
    assert set(explained) >= {"scorecam", "gradcam_plus_plus"} and len(explained["scorecam"].table) == 2

    each = explain_each_class(model, BACKBONE, slices, CLASSES, SETTINGS)
    assert tuple(each) == NAMES
    for place, (name, one) in enumerate(each.items()):
        check_table(one.table, "class_saliency", "class_saliency")
        assert set(one.table["explained"]) == {name}
        assert one.table["explained_probability"].tolist() == pytest.approx(slices.scores[:, place])
        same = (table["predicted"] == name).to_numpy()
        np.testing.assert_allclose(one.maps[same], explained[PRIMARY].maps[same], atol=1e-6)

    pictures = pictures_of(table.assign(enrichment=1.0), 1)
    assert len(pictures) == table[["outcome", "label"]].drop_duplicates().shape[0]
    assert sampling_rule(table).startswith("of each class, per outcome")
    assert sampling_rule(table.drop(columns="explained")).startswith("per outcome")
    draw_overlay(*[np.zeros((4, 4))] * 3, title_of({**pictures[0], "label": r"$\q$"}), "")  # no formula
    title = title_of({**pictures[0], "label": "Community acquired pneumonia"})
    assert title.startswith("Community acqui… · map of ") and len("Community acqui…") == LONGEST_WORD


def test_one_class_of_two_can_be_asked_for() -> None:
    table = pd.DataFrame({"slice": ["a"], "patient": ["p"], "label": ["x"], "probability": [0.8]})
    slices = SliceImages(table, np.zeros((1, 2, 2), np.uint8), np.ones((1, 2, 2), bool))
    two = Classes.of(["x", "y"])
    assert "explained" not in identity_of(slices, two, None)
    of = {name: identity_of(slices, two, name)["explained_probability"].item() for name in two.names}
    assert of == {"x": 0.8, "y": pytest.approx(0.2)}
