"""Explain the test slices of one model: tables and raw maps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lungsight.classes import PREDICTED, Classes, places_of, probabilities_of
from lungsight.errors import UserError
from lungsight.evaluation.metrics import THRESHOLD, select_test_rows
from lungsight.explain.gradcam import PRIMARY, Explainer, Target
from lungsight.explain.lesions import Lesions, measure_on_lesions
from lungsight.explain.margin import UNKNOWN, NearLung
from lungsight.explain.model_summary import MethodDescription
from lungsight.explain.reasons import CONSTANT, EMPTY, NO_LUNG, NO_MASK, NOT_FINITE, REJECTED
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN, measure_in_batches
from lungsight.explain.summary import RIGHT, WRONG
from lungsight.program import progress
from lungsight.training.image_cache import CachedImages

BATCH = 32
MEASURED = (*METRICS, *ADDITIONAL)
IDENTITY = ("slice", "patient", "label")


@dataclass(frozen=True)
class SliceImages:
    """Slices to explain, in table order, with their pixels at the network's input size.

    Attributes
    ----------
    table
        Columns slice, patient, label, probability; with more than two classes also predicted.
    images
        (n, size, size) uint8, as the pipeline's input view shows them to the network.
    masks
        (n, size, size) bool, the lung.
    near
        The lung with a margin; None where that is not measured.
    has_mask
        (n,) bool, whether a slice has a lung mask at all. None where all have one.
    lesions
        The lesions; None where they are not measured.
    accepted
        (n,) bool, whether the lung mask of a slice passed quality control. None where all did.
    scores
        (n, k), the probability of each class of a network with several logits, in its order; else None.
    """

    table: pd.DataFrame
    images: np.ndarray
    masks: np.ndarray
    near: NearLung | None = None
    has_mask: np.ndarray | None = None
    lesions: Lesions | None = None
    accepted: np.ndarray | None = None
    scores: np.ndarray | None = None

    @property
    def usable(self) -> np.ndarray:
        """(n,) bool, whether a slice has a lung in a mask that passed quality control."""
        lung = np.asarray(self.masks.any(axis=(1, 2)))
        return lung if self.accepted is None else lung & self.accepted

    def take(self, rows: np.ndarray) -> "SliceImages":
        """Return some of the slices."""
        table, near = self.table.iloc[rows].reset_index(drop=True), self.near and self.near.take(rows)
        has_mask = None if self.has_mask is None else self.has_mask[rows]
        lesions = self.lesions and self.lesions.take(rows)
        accepted = None if self.accepted is None else self.accepted[rows]
        scores = None if self.scores is None else self.scores[rows]
        return SliceImages(table, self.images[rows], self.masks[rows], near, has_mask, lesions, accepted, scores)

    def sample(self, size: int) -> "SliceImages":
        """Return at most `size` slices, by SAMPLE_RULE; in the table, the slices of a patient follow each other."""
        candidates = np.arange(len(self.table)) if self.accepted is None else np.flatnonzero(self.accepted)
        spread = np.linspace(0, len(candidates) - 1, min(len(candidates), size)).round()
        return self.take(candidates[spread.astype(int)])


def select_test_slices(
    predictions: pd.DataFrame,
    images: CachedImages,
    masks: CachedImages,
    accepted: pd.Index,
    lesions: CachedImages | None = None,
    classes: Classes | None = None,
    labels: Sequence[str] = (),
) -> SliceImages:
    """Select the test rows of a prediction table, with their cached images and masks.

    Parameters
    ----------
    predictions
        models/<pipeline>/stage<k>/predictions/<cohort>.tsv.
    images, masks, lesions
        Of the cohort's image cache: the input view, the lung masks, the lesion masks.
    accepted
        Names of the cohort's slices whose lung mask passed quality control.
    classes, labels
        Those that the network tells apart, and those of the run. With two classes neither is needed.

    Raises
    ------
    UserError
        There is no test slice, or one is not cached.
    """
    test = select_test_rows(predictions).reset_index(drop=True)
    table = test[[name for name in (*IDENTITY, "probability", PREDICTED) if name in test]]
    if table.empty:
        raise UserError("The split has no test slice: nothing can be explained. Check splits.fractions.")
    rows = images.rows_of(table["slice"])
    return SliceImages(
        table,
        np.asarray(images.pixels[rows]),
        np.asarray(masks.pixels[rows]) > 0,
        has_mask=masks.mask_exists(rows),
        lesions=lesions and Lesions(np.asarray(lesions.pixels[rows]) > 0, lesions.mask_exists(rows)),
        accepted=table["slice"].isin(accepted).to_numpy(),
        scores=None if classes is None or classes.sigmoid else scores_of(test, classes, labels),
    )


def scores_of(predictions: pd.DataFrame, classes: Classes, labels: Sequence[str]) -> np.ndarray:
    """Read the probability of each class of a network, (n, k) in its order. labels: those of the run, more than two."""
    return probabilities_of(predictions, labels)[:, [labels.index(name) for name in classes.names]]


@dataclass(frozen=True)
class Explanation:
    """The maps of n slices by one method: rows as saliency.tsv has them, and the raw maps (n, h, w) float32."""

    table: pd.DataFrame
    maps: np.ndarray


def outcomes(labels: pd.Series, probability: np.ndarray, positive: str) -> np.ndarray:
    """Return TP, FN, FP or TN at THRESHOLD for each slice, (n,) str."""
    truth, predicted = (labels == positive).to_numpy(), probability >= THRESHOLD
    return np.select([truth & predicted, truth, predicted], ["TP", "FN", "FP"], default="TN")


def predicted_numbers(table: pd.DataFrame, classes: Classes) -> np.ndarray:
    """Return the class that is predicted for each slice, (n,) int, as the network learns it (`Classes.numbers_of`)."""
    if classes.sigmoid:
        return (table["probability"].to_numpy() >= THRESHOLD).astype(int)
    return places_of(table[PREDICTED], classes.names)


def identity_of(slices: SliceImages, classes: Classes, explained: str | None) -> pd.DataFrame:
    """Give the columns of saliency.tsv that say what is explained: of each slice, its prediction and the outcome.

    With more than two classes, and where one class is asked for, also the class that a map explains, and its
    probability.

    Parameters
    ----------
    slices
        That are explained.
    classes
        That the network tells apart.
    explained
        The class that all maps explain; None: the predicted one.
    """
    table, probability = slices.table, slices.table["probability"].to_numpy()
    if classes.sigmoid:
        identity = table.assign(outcome=outcomes(table["label"], probability, classes.positive))
        of_positive = explained == classes.positive
        of_explained = {"explained_probability": probability if of_positive else 1 - probability}
        return identity if explained is None else identity.assign(explained=explained, **of_explained)
    of_maps = table[PREDICTED] if explained is None else pd.Series(explained, index=table.index)
    assert slices.scores is not None, "a network with several logits gives a probability for each class"
    return table.assign(
        outcome=np.where(table["label"] == table[PREDICTED], RIGHT, WRONG),
        explained=of_maps,
        explained_probability=slices.scores[np.arange(len(table)), places_of(of_maps, classes.names)],
    )


def reasons(maps: np.ndarray, slices: SliceImages) -> np.ndarray:
    """Return why each slice has no metrics, (n,) str; empty where it has metrics. A fault of the mask goes first."""
    nothing = np.zeros(len(maps), dtype=bool)
    no_mask = nothing if slices.has_mask is None else ~slices.has_mask
    no_lung = ~slices.masks.any(axis=(1, 2))
    rejected = nothing if slices.accepted is None else ~slices.accepted
    constant = slices.images.min(axis=(1, 2)) == slices.images.max(axis=(1, 2))
    return np.select(
        [no_mask, no_lung, rejected, ~np.isfinite(maps).all(axis=(1, 2)), is_empty(maps), constant],
        [NO_MASK, NO_LUNG, REJECTED, NOT_FINITE, EMPTY, CONSTANT],
        default="",
    )


def is_empty(maps: np.ndarray) -> np.ndarray:
    """Tell which maps (n, h, w) are zero everywhere, (n,) bool."""
    return np.asarray(np.isfinite(maps).all(axis=(1, 2)) & ~(maps > 0).any(axis=(1, 2)))


def explain_slices(
    explainer: Explainer,
    slices: SliceImages,
    prepare: Callable[[np.ndarray], Any],
    classes: Classes,
    iou_level: float,
    explained: str | None = None,
) -> dict[str, Explanation]:
    """Compute maps and metrics of every slice by each method of an explainer.

    Parameters
    ----------
    explainer
        One or more methods.
    slices
        To explain.
    prepare
        (n, size, size) uint8 → input of the network.
    classes
        That the network tells apart.
    iou_level
        Share of a map's maximum from which on a pixel counts for the IoU.
    explained
        The class that all maps explain; None: of each slice the predicted one.

    Returns
    -------
    An explanation per method.
    """
    identity = identity_of(slices, classes, explained)
    numbers = predicted_numbers(slices.table, classes)
    if explained is not None:
        numbers = classes.numbers_of(pd.Series(explained, index=slices.table.index))
    batches = [
        explainer(prepare(slices.images[start : start + BATCH]), numbers[start : start + BATCH])
        for start in progress(range(0, len(numbers), BATCH), "batches")
    ]
    maps_of = {method: np.concatenate([batch[method] for batch in batches]) for method in explainer.methods}
    return {method: measure_maps(identity, maps, slices, iou_level) for method, maps in maps_of.items()}


def measure_maps(identity: pd.DataFrame, maps: np.ndarray, slices: SliceImages, iou_level: float) -> Explanation:
    """Measure the maps of one method: a row per slice, with metrics, or the reason why there are none.

    Parameters
    ----------
    identity
        As `identity_of` gives it.
    maps
        (n, h, w) float32, raw.
    slices
        What the maps explain.
    iou_level
        As for `explain_slices`.
    """
    reason = reasons(maps, slices)
    metrics = measure_in_batches(maps, slices.masks, iou_level)
    for name in MEASURED:
        metrics[name][reason != ""] = np.nan
    metrics["lung_fraction"][np.isin(reason, [NO_MASK, REJECTED])] = np.nan
    table = identity.assign(empty=is_empty(maps).astype(int), reason=reason, **metrics)
    if slices.near is not None:
        near_metrics = measure_in_batches(maps, slices.near.masks, iou_level)
        left_out = (reason != "") | (slices.near.origin == UNKNOWN)
        with_margin = {column: np.where(left_out, np.nan, near_metrics[name]) for name, column in WITH_MARGIN.items()}
        table = table.assign(margin_from=slices.near.origin, **with_margin)
    if slices.lesions is not None:
        table = table.assign(**measure_on_lesions(maps, slices.masks, slices.lesions, reason == "", iou_level))
    return Explanation(table, maps)


def other_methods(explained: dict[str, Explanation]) -> pd.DataFrame:
    """Join the rows of every method but the primary one in saliency_methods.tsv."""
    others = {method: explanation for method, explanation in explained.items() if method != PRIMARY}
    tables = [explanation.table.assign(method=method) for method, explanation in others.items()]
    return pd.concat(tables, ignore_index=True)


def describe_methods(
    explained: Mapping[str, Explanation], targets: Mapping[str, Target], classes: Classes
) -> list[MethodDescription]:
    """List what each method explains, as methods.json has it. The first two are by method, PRIMARY first."""
    return [
        MethodDescription(
            method=name,
            layer=targets[name].layer,
            explained=targets[name].output,
            sign=targets[name].sign_rule(classes.sigmoid),
            map_size=list(explanation.maps.shape[1:]),
        )
        for name, explanation in explained.items()
    ]
