"""The saliency methods side by side: summary.json."""

from typing import Any

import pandas as pd

from lungsight.report.components import Cell, PageTable, difference, estimates, missing, model_cells, text, whole
from lungsight.report.headings import ENRICHMENT, MODEL, SALIENCY
from lungsight.report.results import RunResults

POINTING = ("Pointing game", "share of slices whose hottest pixel lies inside the lung")
METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam_thesis": "Grad-CAM, the thesis's way",
    "gradcam_plus_plus": "Grad-CAM++",
    "scorecam": "Score-CAM",
}


def section(results: RunResults) -> dict[str, Any]:
    """Give the table, and how the sample was drawn."""
    return {"sample": next(iter(results.summaries.values()))["sample"], "methods": method_table(results)}


def method_name(method: str) -> str:
    """Name a method of summary.json in words: layercam_stride16 is LayerCAM, stride 16."""
    return METHODS.get(method, method.replace("layercam_stride", "LayerCAM, stride "))


def overall(method: dict[str, Any]) -> pd.Series:
    """Read the means over all outcomes of an entry of summary.json; missing ones are NaN."""
    return pd.Series(method["outcomes"][0]).fillna(float("nan"))


def without_numbers(method: dict[str, Any]) -> Cell:
    """Show how many slices have no metrics, and why."""
    reasons = method["missing"]
    note = "; ".join(f"{n}: {reason}" for reason, n in reasons.items())
    return whole(sum(reasons.values()))._replace(tone="warn" if reasons else "", note=note)


def method_table(results: RunResults) -> PageTable:
    """Show the methods of each model, and their difference to Grad-CAM on the slices that both measured."""
    rows = [
        [*model_cells(results, *model), *_method_cells(method, is_primary=method is summary["methods"][0])]
        for model, summary in results.summaries.items()
        for method in summary["methods"]
    ]
    headings = [*MODEL, ("Method", ""), ("Layer", ""), ("Explained", ""), ("Map", "pixels"), ("n", "test slices")]
    headings += [("Without numbers", "slices without metrics, and why"), ENRICHMENT]
    headings.append(("Against Grad-CAM", "difference in enrichment on the same slices"))
    headings += [SALIENCY["lung_mass"], POINTING, SALIENCY["auc"]]
    caption = "Each method against the lung mask; below each number its 95 % interval over patients"
    return PageTable("methods", caption, headings, rows)


def _method_cells(method: dict[str, Any], is_primary: bool) -> list[Cell]:
    size = "×".join(map(str, method["map_size"]))
    against = missing()
    if not is_primary:
        against = difference(pd.Series(method["difference"]).fillna(float("nan")), "enrichment")._replace(tone="")
    enrichment, *others = estimates(overall(method), ["enrichment", "lung_mass", "pointing", "auc"])
    described = [text(method_name(method["method"])), text(method["layer"]), text(method["explained"]), text(size)]
    return [*described, whole(method["n"]), without_numbers(method), enrichment, against, *others]
