"""The part of the page about maps: the methods side by side, the mask with a margin, thresholds, what has no map."""

from typing import Any

import pandas as pd

from lungsight.explain.saliency_metrics import IOU_SWEEP
from lungsight.report.components import Cell, PageTable, text, whole
from lungsight.report.model_tables import display_name, measured, signed
from lungsight.report.results import RunResults
from lungsight.report.statements import Statement
from lungsight.wording import MISSING, count

METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam_thesis": "Grad-CAM, the thesis's way",
    "gradcam_plus_plus": "Grad-CAM++",
    "scorecam": "Score-CAM",
}
MARGIN = {
    "enrichment": ("Enrichment", "lung mass over the lung's share of the image; 1 is chance"),
    "lung_mass": ("Lung mass", "share of the map's sum inside"),
    "pointing": ("Pointing game", "share of slices whose hottest pixel lies inside"),
    "auc": ("Localisation AUC", "0.5: pixels inside are no hotter than others"),
}
PIXEL_ORIGIN = {"spacing": "the scan's", "assumed": "assumed", "unknown": "unknown"}


def method_name(method: str) -> str:
    """A method of summary.json in words: layercam_stride16 is LayerCAM, stride 16."""
    return METHODS.get(method, method.replace("layercam_stride", "LayerCAM, stride "))


def overall(method: dict[str, Any]) -> pd.Series:
    """The means over all outcomes of an entry of summary.json, missing ones NaN."""
    return pd.Series(method["outcomes"][0]).fillna(float("nan"))


def without_numbers(method: dict[str, Any]) -> Cell:
    """How many slices have no metrics, and why."""
    missing = method["missing"]
    why = "; ".join(f"{count}: {reason}" for reason, count in missing.items())
    return whole(sum(missing.values()))._replace(tone="warn" if missing else "", note=why)


def method_table(results: RunResults) -> PageTable:
    """The methods of each model side by side; what a method differs from Grad-CAM by, on the slices both measured."""
    rows = []
    for (pipeline, stage), summary in results.summaries.items():
        primary = summary["methods"][0]["method"]
        for method in summary["methods"]:
            size = "×".join(map(str, method["map_size"]))
            name = [text(display_name(results, pipeline)), whole(stage), text(method_name(method["method"]))]
            what = [text(method["layer"]), text(method["explained"]), text(size), whole(method["n"])]
            difference = signed(pd.Series(method["difference"]).fillna(float("nan")), "enrichment")._replace(tone="")
            against = Cell(MISSING) if method["method"] == primary else difference
            shown = measured(overall(method), ["enrichment", "lung_mass", "pointing", "auc"])
            rows.append([*name, *what, without_numbers(method), shown[0], against, *shown[1:]])
    headings = [("Pipeline", ""), ("Stage", ""), ("Method", ""), ("Layer", ""), ("Explained", ""), ("Map", "pixels")]
    headings += [("n", "test slices"), ("Without numbers", "slices without metrics, and why"), MARGIN["enrichment"]]
    headings += [("Against Grad-CAM", "difference in enrichment on the same slices"), *list(MARGIN.values())[1:]]
    caption = "Each method against the lung mask; below each number its 95 % interval over patients"
    return PageTable("methods", caption, headings, rows, frozenset({1, *range(6, 13)}))


def margin_table(results: RunResults) -> PageTable:
    """Grad-CAM against the lung as segmented, and against the lung with a margin."""
    rows = []
    for (pipeline, stage), summary in results.summaries.items():
        primary = summary["methods"][0]
        cells = [cell for metric in MARGIN for cell in measured(overall(primary), [metric, f"{metric}_margin"])]
        known = primary["margin_from"]
        origin = ", ".join(f"{PIXEL_ORIGIN[origin]} ({n})" for origin, n in known.items())
        rows.append([text(display_name(results, pipeline)), whole(stage), *cells, text(origin)])
    headings = [("Pipeline", ""), ("Stage", "")]
    for title, hint in MARGIN.values():
        headings += [(title, hint), ("with margin", f"{title} with the margin")]
    headings.append(("Size of a pixel", "where it is from, and for how many slices"))
    millimetres = next(iter(results.summaries.values()))["margin_mm"]
    caption = f"Grad-CAM against the lung, and against the lung with a margin of {millimetres:g} mm"
    return PageTable("margin", caption, headings, rows, frozenset({1, *range(2, 2 + 2 * len(MARGIN))}))


def threshold_table(results: RunResults) -> PageTable:
    """The IoU of the lung with what is hotter than a share of a map's maximum, for nine shares."""
    rows = [
        [text(display_name(results, pipeline)), whole(stage), *measured(overall(summary["methods"][0]), IOU_SWEEP)]
        for (pipeline, stage), summary in results.summaries.items()
    ]
    headings = [("Pipeline", ""), ("Stage", "")]
    headings += [(f"≥ {level:.0%}", "of the map's maximum") for level in IOU_SWEEP.values()]
    caption = "Intersection over union of the lung with the hot region of Grad-CAM, by the threshold that makes it hot"
    return PageTable("thresholds", caption, headings, rows, frozenset(range(1, 2 + len(IOU_SWEEP))))


def empty_maps(results: RunResults) -> list[Statement]:
    """Models whose Grad-CAM is zero everywhere, for all or for some test slices: no mean speaks for those."""
    primary = {model: summary["methods"][0] for model, summary in results.summaries.items()}
    named = {model: f"{display_name(results, model[0])}, stage {model[1]}" for model in primary}
    silent = [named[model] for model, found in primary.items() if found["n_empty"] == found["n"]]
    partly = [
        f"{named[model]} ({found['n_empty']} of {found['n']})"
        for model, found in primary.items()
        if 0 < found["n_empty"] < found["n"]
    ]
    statements = []
    if silent:
        cause = "every map is zero everywhere: where it looks cannot be told"
        statements.append(Statement("warn", f"{count(len(silent), 'model')}, {cause}: {'; '.join(silent)}."))
    if partly:
        cause = "the map is zero everywhere for some test slices, which no mean counts"
        statements.append(Statement("warn", f"{count(len(partly), 'model')}, {cause}: {'; '.join(partly)}."))
    return statements
