"""Explain the test slices of one model: tables, raw maps, a summary and pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lungsight.errors import UserError
from lungsight.evaluation.intervals import LEVEL, mean_with_interval
from lungsight.evaluation.metrics import THRESHOLD
from lungsight.explain.gradcam import PRIMARY, Explainer, Target
from lungsight.explain.lesions import Lesions, measure_on_lesions, summarise_lesions
from lungsight.explain.margin import FROM_SPACING, UNKNOWN, NearLung
from lungsight.explain.mean_map import INCLUDED_RULE, mean_maps, peak_of
from lungsight.explain.overlays import SAMPLING_RULE, draw_mean_maps, draw_overlay, sample
from lungsight.explain.resample import upsample_bilinear
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN, measure_in_batches
from lungsight.explain.summary import paired_differences, summarise
from lungsight.files import atomic_path
from lungsight.program import progress
from lungsight.training.image_cache import CachedImages

BATCH = 32
SAMPLE_RULE = "evenly spaced through the test slices in table order"
EMPTY, NO_MASK = "the map is zero everywhere", "no lung mask"
MEASURED = (*METRICS, *ADDITIONAL)
PICTURE_FACTS = ("slice", "label", "outcome", "position", "probability", "enrichment", "lung_mass")


@dataclass(frozen=True)
class SliceImages:
    """Slices to explain, in table order, with their pixels at the network's input size.

    table: slice, patient, label, probability. images: (n, size, size) uint8 as the pipeline's framework shows them to
    the network. masks: (n, size, size) bool, the lung. near: the lung with a margin, where that is measured too.
    has_mask: (n,) bool, whether there is a lung mask at all; None where all have one. lesions: where they are measured.
    """

    table: pd.DataFrame
    images: np.ndarray
    masks: np.ndarray
    near: NearLung | None = None
    has_mask: np.ndarray | None = None
    lesions: Lesions | None = None

    def take(self, rows: np.ndarray) -> "SliceImages":
        """Some of the slices."""
        table, near = self.table.iloc[rows].reset_index(drop=True), self.near and self.near.take(rows)
        has_mask = None if self.has_mask is None else self.has_mask[rows]
        lesions = self.lesions and self.lesions.take(rows)
        return SliceImages(table, self.images[rows], self.masks[rows], near, has_mask, lesions)

    def sample(self, size: int) -> "SliceImages":
        """At most `size` slices, by SAMPLE_RULE; a table has a patient's slices one after the other."""
        rows = np.linspace(0, len(self.table) - 1, min(len(self.table), size)).round()
        return self.take(rows.astype(int))


def select_test_slices(
    predictions: pd.DataFrame, images: CachedImages, masks: CachedImages, lesions: CachedImages | None = None
) -> SliceImages:
    """The test rows of a prediction table, with their images and masks of the cache.

    predictions: as models/<pipeline>/stage<k>/predictions/<cohort>.tsv. masks: of the lung. Raises UserError when there
    is no test slice, or one is not cached.
    """
    of_test = predictions["split"] == "test"
    table = predictions.loc[of_test, ["slice", "patient", "label", "probability"]].reset_index(drop=True)
    if table.empty:
        raise UserError("The split has no test slice: nothing can be explained. Check splits.fractions.")
    rows = images.rows_of(table["slice"])
    return SliceImages(
        table,
        np.asarray(images.pixels[rows]),
        np.asarray(masks.pixels[rows]) > 0,
        has_mask=masks.is_given(rows),
        lesions=lesions and Lesions(np.asarray(lesions.pixels[rows]) > 0, lesions.is_given(rows)),
    )


@dataclass(frozen=True)
class Explanation:
    """What one method says about n slices: a row each, as saliency.tsv, and the raw maps (n, h, w) float32."""

    table: pd.DataFrame
    maps: np.ndarray


def outcomes(labels: pd.Series, probability: np.ndarray, positive: str) -> np.ndarray:
    """(n,) str: TP, FN, FP or TN at THRESHOLD."""
    truth, predicted = (labels == positive).to_numpy(), probability >= THRESHOLD
    return np.select([truth & predicted, truth, predicted], ["TP", "FN", "FP"], default="TN")


def reasons(maps: np.ndarray, slices: SliceImages) -> np.ndarray:
    """(n,) str: why a slice has no metrics, empty where it has."""
    finite = np.isfinite(maps).all(axis=(1, 2))
    empty = finite & ~(maps > 0).any(axis=(1, 2))
    no_lung = ~slices.masks.any(axis=(1, 2))
    no_mask = np.zeros_like(no_lung) if slices.has_mask is None else ~slices.has_mask
    constant = slices.images.min(axis=(1, 2)) == slices.images.max(axis=(1, 2))
    return np.select(
        [~finite, empty, no_mask, no_lung, constant],
        ["the gradient is not finite", EMPTY, NO_MASK, "no lung in the mask", "the image has one value everywhere"],
        default="",
    )


def explain_slices(
    explainer: Explainer,
    slices: SliceImages,
    prepare: Callable[[np.ndarray], Any],
    positive: str,
    iou_level: float,
) -> dict[str, Explanation]:
    """Maps and metrics of every slice, by each method of `explainer`.

    prepare: (n, size, size) uint8 → what the network takes. positive: the label of the positive class.
    """
    probability = slices.table["probability"].to_numpy()
    batches = [
        explainer(prepare(slices.images[start : start + BATCH]), probability[start : start + BATCH] >= THRESHOLD)
        for start in progress(range(0, len(probability), BATCH), "batches")
    ]
    identity = slices.table.assign(outcome=outcomes(slices.table["label"], probability, positive))
    found = {}
    for method in explainer.methods:
        maps = np.concatenate([batch[method] for batch in batches])
        found[method] = explanation(identity, maps, slices, iou_level)
    return found


def explanation(identity: pd.DataFrame, maps: np.ndarray, slices: SliceImages, iou_level: float) -> Explanation:
    """The rows of one method: metrics where there are any, the reason where there are none.

    identity: slice, patient, label, probability, outcome. maps: (n, h, w) float32.
    """
    why = reasons(maps, slices)
    metrics = measure_in_batches(maps, slices.masks, iou_level)
    for name in MEASURED:
        metrics[name][why != ""] = np.nan
    if slices.has_mask is not None:
        metrics["lung_fraction"][~slices.has_mask] = np.nan
    table = identity.assign(empty=(why == EMPTY).astype(int), reason=why, **metrics)
    if slices.near is not None:
        found = measure_in_batches(maps, slices.near.masks, iou_level)
        left_out = (why != "") | (slices.near.origin == UNKNOWN)
        with_margin = {column: np.where(left_out, np.nan, found[name]) for name, column in WITH_MARGIN.items()}
        table = table.assign(margin_from=slices.near.origin, **with_margin)
    if slices.lesions is not None:
        table = table.assign(**measure_on_lesions(maps, slices.masks, slices.lesions, why == "", iou_level))
    return Explanation(table, maps)


def other_methods(explained: dict[str, Explanation]) -> pd.DataFrame:
    """saliency_methods.tsv: the rows of every method but the primary one."""
    return pd.concat(
        [one.table.assign(method=method) for method, one in explained.items() if method != PRIMARY], ignore_index=True
    )


def save_maps(path: Path, explained: Explanation) -> None:
    """Write `slices` (fixed-width unicode) and `maps` (n, h, w) float32; opens with allow_pickle=False."""
    with atomic_path(path) as temporary:
        names = np.array(explained.table["slice"], dtype=np.str_)
        np.savez_compressed(temporary, slices=names, maps=explained.maps)


def draw_overlays(folder: Path, slices: SliceImages, explained: Explanation, count: int) -> list[dict[str, Any]]:
    """Draw the sampled slices into `folder`; returns for each its file name, slice, outcome and numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    chosen = sample(explained.table, count)
    heat = upsample_bilinear(explained.maps[chosen.index], slices.masks.shape[1:])
    drawn = []
    for row, one in zip(chosen.itertuples(), heat, strict=True):
        name = f"{row.outcome}-{row.position.replace(' ', '-')}-{row.slice}.png"
        title = f"{row.outcome} · {row.label} · p = {row.probability:.2f}"
        detail = f"{row.position} · enrichment {row.enrichment:.2f} · lung mass {row.lung_mass:.2f}"
        # What has no spacing is a picture, and nobody knows which of its sides is which.
        sided = slices.near is not None and slices.near.origin[row.Index] == FROM_SPACING
        picture = draw_overlay(slices.images[row.Index], slices.masks[row.Index], one, title, detail, sided)
        (folder / name).write_bytes(picture)
        drawn.append({"file": name} | {key: getattr(row, key) for key in PICTURE_FACTS})
    return drawn


def draw_mean_of_classes(
    path: Path, slices: SliceImages, explained: Explanation, positive: str
) -> list[dict[str, Any]]:
    """Draw the mean map of each class, registered to the lung's box; returns for each what it is of and its peak."""
    means = mean_maps(explained.table, explained.maps, slices.masks, positive)
    with atomic_path(path) as temporary:
        temporary.write_bytes(draw_mean_maps(means))
    return [
        {"label": one.label, "slices": one.slices, "patients": one.patients, **peak_of(one)._asdict()} for one in means
    ]


def summarise_stage(
    explained: dict[str, Explanation],
    methods: dict[str, Target],
    pictures: list[dict[str, Any]],
    means: list[dict[str, Any]],
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """summary.json: what each method explains, its means by outcome, and the pictures with the rule that chose them.

    explained: PRIMARY for every test slice; another method for these or for a sample of them. pictures, means: what was
    drawn.
    """
    described = [
        _describe(name, methods[name], one, resamples, seed)
        | {"difference": _difference(one.table, explained[PRIMARY].table, resamples, seed)}
        for name, one in explained.items()
    ]
    return {
        "methods": described,
        "sample": SAMPLE_RULE,
        "intervals": {"level": LEVEL, "resampled": "patients", "resamples": resamples, "seed": seed},
        "overlays": {"rule": SAMPLING_RULE, "pictures": pictures},
        "mean_maps": {"rule": INCLUDED_RULE, "classes": means},
    }


def _describe(name: str, target: Target, explained: Explanation, resamples: int, seed: int) -> dict[str, Any]:
    table = explained.table
    lesions = summarise_lesions(table, resamples, seed)
    return {
        "method": name,
        "layer": target.layer,
        "explained": target.output,
        "sign": target.sign_rule,
        "map_size": list(explained.maps.shape[1:]),
        "n": len(table),
        "n_empty": int(table["empty"].sum()),
        "missing": {reason: int(count) for reason, count in table["reason"].value_counts().items() if reason},
        "margin_from": table["margin_from"].value_counts().to_dict() if "margin_from" in table else {},
        "outcomes": [_without_nan(row) for row in summarise(table, resamples, seed)],
        "lesions": lesions | {"outcomes": [_without_nan(row) for row in lesions["outcomes"]]},
    }


def _difference(table: pd.DataFrame, primary: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Mean over slices of a method's enrichment minus the primary method's on the same slices, with its interval."""
    pairs = paired_differences(table, primary, "enrichment")
    mean, low, high = mean_with_interval(pairs[["enrichment"]].to_numpy(), pairs["patient"], resamples, seed)
    ends = {"enrichment": mean, "enrichment_lo": low, "enrichment_hi": high}
    return {"n": len(pairs)} | _without_nan({name: float(values[0]) for name, values in ends.items()})


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
