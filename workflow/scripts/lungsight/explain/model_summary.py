"""Summarise the maps of one model: what each method explains, its means with intervals, and which slices are drawn.

Imports no TensorFlow. Maps take minutes; with other intervals they stay as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import LEVEL, mean_with_interval
from lungsight.explain.lesions import summarise_lesions
from lungsight.explain.mean_map import INCLUDED_RULE
from lungsight.explain.sampling import CONFIDENCE_RULE, SAMPLE_RULE, sampling_rule
from lungsight.explain.summary import paired_differences, summarise


class MethodDescription(TypedDict):
    """What a method explains: an entry of methods.json.

    Attributes
    ----------
    layer
        The layer whose channels are weighted.
    explained
        The layer whose output is differentiated.
    sign
        The explained output for positive and negative predictions, in words.
    map_size
        Rows and columns of a raw map.
    """

    method: str
    layer: str
    explained: str
    sign: str
    map_size: list[int]


def tables_of_methods(
    methods: Sequence[MethodDescription], saliency: pd.DataFrame, others: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """Return the table of each method.

    Parameters
    ----------
    methods
        methods.json, the primary one first.
    saliency
        saliency.tsv, of the primary method.
    others
        saliency_methods.tsv.
    """
    primary, *names = (method["method"] for method in methods)
    return {primary: saliency} | {name: others[others["method"] == name] for name in names}


def summarise_model(
    methods: Sequence[MethodDescription],
    tables: Mapping[str, pd.DataFrame],
    pictures: list[dict[str, Any]],
    means: list[dict[str, Any]],
    resamples: int,
    seed: int,
    by_confidence: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Compute summary.json: what each method explains, its means by outcome, and which slices are drawn by which rule.

    Parameters
    ----------
    methods
        What each method explains. The primary one comes first.
    tables
        By method, rows as saliency.tsv has them: every test slice of the primary method, these or a sample of them of
        another.
    pictures
        Slices to draw, as `sampling.pictures_of` returns them.
    means
        Description of the mean maps, as `mean_map.describe_mean_maps` returns it.
    resamples, seed
        Of the intervals.
    by_confidence
        Further slices, as `sampling.pictures_by_confidence` returns them.
    """
    primary = tables[methods[0]["method"]]
    described = [
        {
            **method,
            **_describe(tables[method["method"]], resamples, seed),
            "difference": _difference(tables[method["method"]], primary, resamples, seed),
        }
        for method in methods
    ]
    return {
        "methods": described,
        "sample": SAMPLE_RULE,
        "intervals": {"level": LEVEL, "resampled": "patients", "resamples": resamples, "seed": seed},
        "overlays": {"rule": sampling_rule(primary), "pictures": pictures},
        "by_confidence": {"rule": CONFIDENCE_RULE, "pictures": list(by_confidence)},
        "mean_maps": {"rule": INCLUDED_RULE, "classes": means},
    }


def _describe(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    lesions = summarise_lesions(table, resamples, seed)
    return {
        "n": len(table),
        "n_empty": int(table["empty"].sum()),
        "missing": {reason: int(count) for reason, count in table["reason"].value_counts().items() if reason},
        "margin_from": table["margin_from"].value_counts().to_dict() if "margin_from" in table else {},
        "outcomes": [_without_nan(row) for row in summarise(table, resamples, seed)],
        "lesions": lesions | {"outcomes": [_without_nan(row) for row in lesions["outcomes"]]},
    }


def _difference(table: pd.DataFrame, primary: pd.DataFrame, resamples: int, seed: int) -> dict[str, Any]:
    """Average a method's enrichment minus the primary method's over the slices that both measured, with interval."""
    pairs = paired_differences(table, primary, "enrichment")
    mean, low, high = mean_with_interval(pairs[["enrichment"]].to_numpy(), pairs["patient"], resamples, seed)
    ends = {"enrichment": mean, "enrichment_lo": low, "enrichment_hi": high}
    return {"n": len(pairs)} | _without_nan({name: float(values[0]) for name, values in ends.items()})


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and np.isnan(value) else value for key, value in row.items()}
