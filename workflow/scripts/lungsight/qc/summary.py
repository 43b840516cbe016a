"""Summarise what quality control kept and left out, and why."""

from collections.abc import Sequence

import pandas as pd

from lungsight.qc.rules import in_brief
from lungsight.wording import tally


def accepted_masks(manifest: pd.DataFrame) -> pd.Index:
    """Name the slices whose lung mask passed quality control: by the limits, or by a person's decision."""
    return pd.Index(manifest.loc[manifest["segmented_keep"] == 1, "slice"])


def kept_by_class(manifest: pd.DataFrame, slices: pd.DataFrame, input_views: Sequence[str]) -> pd.DataFrame:
    """Count slices before and after quality control.

    Parameters
    ----------
    manifest, slices
        The cohort's manifest.tsv and slices.tsv.
    input_views
        "whole", "segmented" or both.

    Returns
    -------
    pandas.DataFrame
        label, input_view, slices, kept: a row for each class and input view.
    """
    labelled = manifest.merge(slices[["slice", "label"]], on="slice")
    rows = [
        {"label": label, "input_view": view, "slices": len(group), "kept": int(group[f"{view}_keep"].sum())}
        for label, group in labelled.groupby("label", sort=False)
        for view in input_views
    ]
    return pd.DataFrame(rows, columns=["label", "input_view", "slices", "kept"])


def reasons_left_out(manifest: pd.DataFrame, input_views: Sequence[str]) -> pd.DataFrame:
    """Count the slices that were left out, by whom and for which reasons.

    Returns
    -------
    pandas.DataFrame
        input_view, decided_by, slices, reasons: a row for each input view and who decided.
    """
    rows = [
        {
            "input_view": view,
            "decided_by": decided_by,
            "slices": len(group),
            "reasons": tally(group["reason"].map(in_brief)),
        }
        for view in input_views
        for decided_by, group in manifest[manifest[f"{view}_keep"] == 0].groupby("decided_by")
    ]
    return pd.DataFrame(rows, columns=["input_view", "decided_by", "slices", "reasons"])
