"""Choose the methods that explain a model: Grad-CAM for every test slice, the others for a sample of them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import keras

from lungsight.classes import Classes
from lungsight.explain.explanation import Explanation, SliceImages, explain_slices
from lungsight.explain.gradcam import (
    PRIMARY,
    Explainer,
    GradCam,
    Target,
    Weighting,
    grad_cam_plus_plus,
    layer_cam,
    methods_for,
    primary_target,
)
from lungsight.explain.scorecam import ScoreCam
from lungsight.training.backbones import Backbone
from lungsight.training.network import LOGIT, to_input

PLUS_PLUS, LAYER_CAM, SCORE_CAM = "gradcam_plus_plus", "layercam", "scorecam"


def _on_logit(layer: str, weighting: Weighting) -> Target:
    return Target(layer, LOGIT, signed=True, weighting=weighting)


def gradient_methods(backbone: Backbone, chosen: Sequence[str]) -> dict[str, Target]:
    """Return the targets of the chosen gradient methods; LayerCAM has one per stride of `Backbone.layers_by_stride`."""
    methods = {}
    if PLUS_PLUS in chosen:
        methods[PLUS_PLUS] = _on_logit(backbone.explained_layer, grad_cam_plus_plus)
    if LAYER_CAM in chosen:
        for stride, layer in backbone.layers_by_stride.items():
            methods[f"{LAYER_CAM}_stride{stride}"] = _on_logit(layer, layer_cam)
    return methods


def sampled_explainers(model: keras.Model, backbone: Backbone, settings: dict[str, Any]) -> list[Explainer]:
    """Return explainers for the methods beside Grad-CAM. settings: the config's `explain` section."""
    explainers: list[Explainer] = []
    targets = gradient_methods(backbone, settings["methods"])
    if targets:
        explainers.append(GradCam(model, targets))
    if SCORE_CAM in settings["methods"]:
        explainers.append(ScoreCam(model, SCORE_CAM, backbone.explained_layer, settings["score_cam_channels"]))
    return explainers


def explain_by_all(
    model: keras.Model, backbone: Backbone, slices: SliceImages, classes: Classes, settings: dict[str, Any]
) -> tuple[dict[str, Explanation], dict[str, Target]]:
    """Explain all slices by the primary and the thesis's Grad-CAM, and a sample of them by the other methods.

    The sample has no slice whose lung mask did not pass quality control, and may be empty.

    Parameters
    ----------
    model
        The trained classifier.
    backbone
        Its backbone.
    slices
        All test slices.
    classes
        That the model tells apart.
    settings
        The config's `explain` section.

    Returns
    -------
    By method, PRIMARY first: the explanations, and what each method explains.
    """
    work: list[tuple[Explainer, SliceImages]] = [(GradCam(model, methods_for(model, backbone.explained_layer)), slices)]
    sample = slices.sample(settings["sample"])
    if len(sample.table):
        work += [(explainer, sample) for explainer in sampled_explainers(model, backbone, settings)]
    explained, targets = {}, {}
    for explainer, subset in work:
        explained |= explain_slices(explainer, subset, partial(to_input, backbone), classes, settings["iou_level"])
        targets |= explainer.methods
    return explained, targets


def explain_each_class(
    model: keras.Model, backbone: Backbone, slices: SliceImages, classes: Classes, settings: dict[str, Any]
) -> dict[str, Explanation]:
    """Explain all slices by the primary method, for every class in turn. Arguments as for `explain_by_all`.

    Returns
    -------
    An explanation per class, in the order of `classes`.
    """
    explainer = GradCam(model, {PRIMARY: primary_target(backbone.explained_layer)})
    prepare, level = partial(to_input, backbone), settings["iou_level"]
    return {
        name: explain_slices(explainer, slices, prepare, classes, level, explained=name)[PRIMARY]
        for name in classes.names
    }
