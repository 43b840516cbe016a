"""Compute report/leakage_repeats.tsv: the inflation of the AUC over several splits and starts.

The interval of one experiment draws its test patients. It covers neither which patients were tested nor the start of
the network, so one experiment can be luck. Here both are drawn anew in each repeat.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lungsight.evaluation.leakage_inflation.inflation import inflation_rows
from lungsight.evaluation.leakage_inflation.settings import LABELS, UNITS
from lungsight.evaluation.metrics import ENDS, Row
from lungsight.evaluation.replicates import interval_over_splits, spread_of


def repeat_rows(
    repeats: Sequence[pd.DataFrame],
    pipeline: str,
    cohort: str,
    positive: str,
    resamples: int,
    seed: int,
    test_over_train: float,
) -> list[Row]:
    """Compute the rows of one pipeline.

    Parameters
    ----------
    repeats
        The predictions of each repeat, as for `inflation_rows`; the run's own experiment first.
    pipeline, cohort
        Their names.
    positive
        Label of the positive class.
    resamples, seed
        Of the interval of the first repeat.
    test_over_train
        Tested patients over trained ones, for the interval over splits.
    """
    # The interval over patients is asked of the first repeat alone.
    draws = (resamples, *(0 for _ in repeats[1:]))
    found = [
        numbers_of_repeat(inflation_rows(table, pipeline, cohort, positive, number, seed))
        for table, number in zip(repeats, draws, strict=True)
    ]
    rows: list[Row] = []
    for labels, metric in found[0]:
        values = [each[labels, metric][0] for each in found]
        spread = spread_of(values)
        low, high = interval_over_splits(values, test_over_train)
        rows.append(
            {
                **{"pipeline": pipeline, "cohort": cohort, "labels": labels, "metric": metric},
                **{f"value{end}": value for end, value in zip(ENDS, found[0][labels, metric], strict=True)},
                **{"mean": spread.mean, "sd": spread.sd, "min": spread.min, "max": spread.max},
                **{"mean_lo": low, "mean_hi": high, "splits": spread.number},
            }
        )
    return rows


def numbers_of_repeat(rows: Sequence[Row]) -> dict[tuple[str, str], tuple[float, ...]]:
    """Take of `inflation_rows` the inflation and both AUCs: (labels, metric) → value and the ends of its interval."""
    by_condition = {(row["labels"], row["unit"]): row for row in rows}
    found: dict[tuple[str, str], tuple[float, ...]] = {}
    for labels in LABELS:
        sources = {"inflation": ("inflation", "slice")} | {f"roc_auc_{unit}": ("roc_auc", unit) for unit in UNITS}
        for metric, (column, unit) in sources.items():
            row = by_condition[labels, unit]
            values = (row[f"{column}{end}"] for end in ENDS)
            found[labels, metric] = tuple(np.nan if value is None else float(value) for value in values)
    return found
