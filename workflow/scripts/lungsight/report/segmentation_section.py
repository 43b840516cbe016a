"""The page's section on the lung segmentation: where the masks come from, how well they agree, the worst cases."""

from typing import Any

import numpy as np
import pandas as pd

from lungsight.report.components import PageTable, decimal, share, text, whole
from lungsight.report.pictures import inline
from lungsight.report.results import RunResults
from lungsight.subsets import SUBSETS
from lungsight.wording import number, tally

ORIGINS = {
    "trained": "nnU-Net, trained in this run on the cohort with contours.",
    "given": "a given nnU-Net model that was trained elsewhere; whether it has seen these cases is not known here.",
    "classical": "threshold, body, connected components and closing; nothing was trained.",
}
BY_SLICE = (
    "Slices were split, not patients (segmentation.split_unit): the neighbours of a test slice, a few millimetres away,"
    " were trained on, so all that follows is per slice and says nothing about a new patient."
)
CAPTIONS = {
    "trained": "Training of the segmentation network, and the Dice of every case against its contours.",
    "given": "Dice of every case against its contours.",
    "classical": "Dice of every case against its contours.",
}


def segmentation_section(results: RunResults) -> dict[str, Any] | None:
    """What the template shows; None where no cohort has contours to compare with."""
    metrics, origin = results.segmentation, results.facts["mask_origin"]
    if metrics.empty:
        return None
    folder = results.folder / "segmentation"
    return {
        "origin": f"Lung masks come from {ORIGINS[origin]}" + (f" {BY_SLICE}" if "z_index" in metrics else ""),
        "table": agreement_table(metrics),
        "curve": inline(folder / "curve.png", CAPTIONS[origin], CAPTIONS[origin]),
        "worst": inline(folder / "worst.png", _worst_in_words(metrics)),
    }


def agreement_table(metrics: pd.DataFrame) -> PageTable:
    """Agreement of the predicted with the contoured lung, by side."""
    headings = [
        *(
            ("Side", ""),
            ("Slices" if "z_index" in metrics else "Cases", ""),
            ("Mean Dice", "1 is full agreement"),
            ("Median", ""),
            ("Lowest", ""),
        ),
        ("Surface distance, mm", "95th percentile of the distances between the two surfaces, mean of the cases"),
        ("Volume error", "predicted over true volume, minus 1, without its sign, mean of the cases"),
        ("Without Dice", "and why"),
    ]
    rows = []
    for side in SUBSETS:
        cases = metrics[metrics["split"] == side]
        dice = cases["dice"].astype(float).dropna()
        ends = [np.nan] * 3 if dice.empty else [dice.mean(), dice.median(), dice.min()]
        distance = cases["surface_distance_95"].astype(float).mean()
        error = cases["volume_error"].astype(float).abs().mean()
        missing = cases.loc[cases["dice"].isna(), "reason"]
        measured = [*(decimal(value, 3) for value in ends), decimal(distance, 1), share(error)]
        rows.append([text(side), whole(len(cases)), *measured, text(tally(missing) or "–")])
    return PageTable("dice", "Lung segmentation against the contours", headings, rows, frozenset(range(1, 7)))


def _worst_in_words(metrics: pd.DataFrame) -> str:
    lowest = metrics["dice"].astype(float).min()
    return (
        "The cases with the lowest Dice, of test cases first, each on the slice where contours (solid) and prediction "
        f"(dashed) differ most; the lowest Dice of all cases is {number(lowest, 3)}"
    )
