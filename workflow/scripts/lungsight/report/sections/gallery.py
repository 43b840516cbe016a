"""The mean maps of every model."""

from typing import Any

from lungsight.report.pictures import mean_picture
from lungsight.report.results import RunResults


def section(results: RunResults) -> dict[str, Any]:
    """Give the pictures by model, and the rule by which slices were averaged."""
    return {
        "rule": next(iter(results.summaries.values()))["mean_maps"]["rule"],
        "pictures": [
            (results.model_name(model), mean_picture(results.folder / f"explain/{model[0]}/stage{model[1]}", summary))
            for model, summary in results.summaries.items()
        ],
    }
