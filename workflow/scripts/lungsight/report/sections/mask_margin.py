"""Grad-CAM against the lung with a margin, and by the threshold of a hot region: summary.json."""

from typing import Any

from lungsight.explain.saliency_metrics import IOU_SWEEP
from lungsight.report.components import PageTable, estimates, model_cells, text
from lungsight.report.headings import ENRICHMENT, MODEL, SALIENCY
from lungsight.report.results import RunResults
from lungsight.report.sections.saliency_methods import POINTING, overall

METRICS = {
    "enrichment": ENRICHMENT,
    "lung_mass": SALIENCY["lung_mass"],
    "pointing": POINTING,
    "auc": SALIENCY["auc"],
}
PIXEL_ORIGIN = {"spacing": "the scan's", "assumed": "assumed", "unknown": "unknown"}


def section(results: RunResults) -> dict[str, Any]:
    """Give both tables."""
    return {"margin": margin_table(results), "thresholds": threshold_table(results)}


def margin_table(results: RunResults) -> PageTable:
    """Show Grad-CAM against the lung as segmented, and against the lung with a margin."""
    rows = []
    for model, summary in results.summaries.items():
        primary = summary["methods"][0]
        cells = [cell for metric in METRICS for cell in estimates(overall(primary), [metric, f"{metric}_margin"])]
        origins = ", ".join(f"{PIXEL_ORIGIN[origin]} ({n})" for origin, n in primary["margin_from"].items())
        rows.append([*model_cells(results, *model), *cells, text(origins)])
    headings = [*MODEL]
    for title, hint in METRICS.values():
        headings += [(title, hint), ("with margin", f"{title} with the margin")]
    headings.append(("Size of a pixel", "where it is from, and for how many slices"))
    millimetres = next(iter(results.summaries.values()))["margin_mm"]
    caption = f"Grad-CAM against the lung, and against the lung with a margin of {millimetres:g} mm"
    return PageTable("margin", caption, headings, rows)


def threshold_table(results: RunResults) -> PageTable:
    """Show the IoU of the lung with what is hotter than a share of a map's maximum, for nine shares."""
    rows = [
        [*model_cells(results, *model), *estimates(overall(summary["methods"][0]), IOU_SWEEP)]
        for model, summary in results.summaries.items()
    ]
    headings = [*MODEL, *((f"≥ {level:.0%}", "of the map's maximum") for level in IOU_SWEEP.values())]
    caption = "Intersection over union of the lung with the hot region of Grad-CAM, by the threshold that makes it hot"
    return PageTable("thresholds", caption, headings, rows)
