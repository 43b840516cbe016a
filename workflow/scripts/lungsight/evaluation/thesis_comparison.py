"""Compare a run's numbers by slice with those that the thesis prints, under their right names."""

import pandas as pd

from lungsight.evaluation.tables import THESIS_COLUMNS

# Metric of report/metrics.tsv → its column with the thesis's number.
COMPARED = {column.removeprefix("thesis_"): column for column in THESIS_COLUMNS.values()}


def thesis_comparison(metrics: pd.DataFrame, thesis: pd.DataFrame) -> pd.DataFrame:
    """Put the thesis's number, the difference and its place in our interval beside each of our metrics.

    Parameters
    ----------
    metrics
        report/metrics.tsv.
    thesis
        config/thesis.tsv, for its notes.

    Returns
    -------
    pandas.DataFrame
        The rows of `metrics` that the thesis has, with its `note`, and for each metric of COMPARED the columns
        `<metric>_difference` (ours minus the thesis's) and `<metric>_covered`: "covered" or "not covered" by our 95 %
        interval, "no interval", or "" where there is no difference.
    """
    names = thesis["framework"] + "-" + thesis["backbone"] + "-" + thesis["weights"]
    notes = thesis.assign(pipeline=names)[["pipeline", "stage", "note"]]
    rows = metrics[metrics["thesis_accuracy"].notna()].merge(notes, on=["pipeline", "stage"], how="left")
    for metric, column in COMPARED.items():
        rows[f"{metric}_difference"] = rows[metric] - rows[column]
        rows[f"{metric}_covered"] = [_covered(row, metric, column) for _, row in rows.iterrows()]
    return rows


def _covered(row: "pd.Series", metric: str, column: str) -> str:
    low, high = row[f"{metric}_lo"], row[f"{metric}_hi"]
    if pd.isna(row[metric]) or pd.isna(row[column]):
        return ""
    if pd.isna(low):
        return "no interval"
    return "covered" if low <= row[column] <= high else "not covered"
