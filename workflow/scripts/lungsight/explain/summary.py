"""Summarise the saliency of one model: means by outcome, with patient-clustered intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from lungsight.evaluation.intervals import mean_with_interval
from lungsight.explain.reasons import left_out
from lungsight.explain.saliency_metrics import ADDITIONAL, METRICS, WITH_MARGIN

RIGHT, WRONG = "right", "wrong"  # with more than two classes
OUTCOMES = ("all", "TP", "TN", "FP", "FN", RIGHT, WRONG)
AGAINST_LUNG = (*METRICS, *ADDITIONAL, *WITH_MARGIN.values())


def summarise(
    table: pd.DataFrame, resamples: int, seed: int, columns: Sequence[str] = AGAINST_LUNG
) -> list[dict[str, Any]]:
    """Average columns over the slices of each outcome that occurs, "all" first.

    Parameters
    ----------
    table
        saliency.tsv.
    resamples, seed
        Of the intervals.
    columns
        To average; a column that the table lacks is left out.

    Returns
    -------
    A row per outcome: outcome, n, n_patients, n_empty, n_left_out (because of the lung mask), and for each column the
    mean over the slices that have a value, with `_lo` and `_hi`; NaN where no slice has one.
    """
    metrics = [name for name in columns if name in table]
    rows = []
    for outcome in OUTCOMES:
        chosen = table if outcome == "all" else table[table["outcome"] == outcome]
        if len(chosen) == 0 and outcome != "all":
            continue
        mean, low, high = mean_with_interval(
            chosen[metrics].to_numpy(dtype=np.float64), chosen["patient"], resamples, seed
        )
        counts = {
            "outcome": outcome,
            "n": len(chosen),
            "n_patients": int(chosen["patient"].nunique()),
            "n_empty": int(chosen["empty"].sum()),
            "n_left_out": int(left_out(chosen).sum()),
        }
        ends = (("", mean), ("_lo", low), ("_hi", high))
        rows.append(
            counts | {f"{name}{end}": float(values[k]) for k, name in enumerate(metrics) for end, values in ends}
        )
    return rows


def paired_differences(table: pd.DataFrame, primary: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the patient, and `metric` minus the primary method's, for the slices that both methods measured."""
    other = primary.set_index("slice")[metric].reindex(table["slice"]).to_numpy()
    return pd.DataFrame({"patient": table["patient"], metric: table[metric].to_numpy() - other}).dropna()
