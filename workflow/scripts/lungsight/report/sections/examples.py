"""Typical maps: those of the model with the highest AUC by patient."""

from typing import Any

from lungsight.report.pictures import mean_picture, overlay_picture
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the mean maps, and for each outcome the picture whose enrichment is the median; None without an AUC."""
    best = results.best_model()
    if best is None:
        return None
    model = (best["pipeline"], int(best["stage"]))
    folder = results.folder / f"explain/{model[0]}/stage{model[1]}"
    pictures = results.summaries[model]["overlays"]["pictures"]
    return {
        "pipeline": results.display_name(model[0]),
        "stage": model[1],
        "many": results.many_classes,
        "mean": mean_picture(folder, results.summaries[model]),
        "pictures": [
            overlay_picture(folder / "overlays", entry) for entry in pictures if entry["position"] == "median"
        ],
    }
