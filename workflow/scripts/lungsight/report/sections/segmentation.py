"""The lung segmentation: where the masks come from, how well they agree with contours, the worst cases."""

from typing import Any

import pandas as pd

from lungsight.report.components import PageTable, decimal, share, text, whole
from lungsight.report.pictures import inline
from lungsight.report.results import RunResults
from lungsight.segmentation.agreement_summary import agreement_by_subset
from lungsight.wording import MISSING, number

ORIGINS = {
    "trained": "nnU-Net, trained in this run on the cohort with contours.",
    "given": (
        "an nnU-Net model that was trained elsewhere. It is not known here whether it was trained on these cases."
    ),
    "own": "the users' tables alone; nothing was segmented.",
    "lungmask": "lungmask, a network of others. It is not known here whether it was trained on these cases.",
    "totalsegmentator": (
        "TotalSegmentator, networks of others. It is not known here whether they were trained on these cases."
    ),
    "classical": "threshold, body, connected components and closing; nothing was trained.",
}
BY_SLICE = (
    "Slices were split, not patients (segmentation.split_unit): the network was trained on the neighbours of a test"
    " slice, a few millimetres away. All that follows is per slice and says nothing about a new patient."
)
CAPTION = "Dice of every case against its contours."
CAPTION_OF_TRAINING = "Training of the segmentation network, and the Dice of every case against its contours."


def section(results: RunResults) -> dict[str, Any] | None:
    """Give origin, table and pictures; None where no cohort has contours to compare with."""
    metrics, origin = results.segmentation, results.run["mask_origin"]
    if metrics.empty:
        return None
    folder = results.folder / "segmentation"
    caption = CAPTION_OF_TRAINING if origin == "trained" else CAPTION
    return {
        "origin": f"Lung masks come from {ORIGINS[origin]}" + (f" {BY_SLICE}" if "z_index" in metrics else ""),
        "agreement": agreement_table(metrics),
        "curve": inline(folder / "curve.png", caption, caption),
        "worst": inline(folder / "worst.png", _worst_in_words(metrics)),
    }


def agreement_table(metrics: pd.DataFrame) -> PageTable:
    """Show the agreement of the predicted with the contoured lung, by subset."""
    headings = [
        *(("Subset", ""), ("Slices" if "z_index" in metrics else "Cases", "")),
        *(("Mean Dice", "1 is full agreement"), ("Median", ""), ("Lowest", "")),
        ("Surface distance, mm", "95th percentile of the distances between the two surfaces, mean of the cases"),
        ("Volume error", "predicted over true volume, minus 1, without its sign, mean of the cases"),
        ("Without Dice", "and why"),
    ]
    rows = [
        [
            *(text(subset.subset), whole(subset.n)),
            *(decimal(value, 3) for value in (subset.mean, subset.median, subset.lowest)),
            *(decimal(subset.distance, 1), share(subset.volume_error), text(subset.without_dice or MISSING)),
        ]
        for subset in agreement_by_subset(metrics)
    ]
    return PageTable("dice", "Lung segmentation against the contours", headings, rows)


def _worst_in_words(metrics: pd.DataFrame) -> str:
    lowest = metrics["dice"].astype(float).min()
    return (
        "The cases with the lowest Dice, test cases first, each on the slice where contours (solid) and prediction"
        f" (dashed) differ most. The lowest Dice of all cases is {number(lowest, 3)}"
    )
