"""Compute report/transfer_summary.tsv: means, ranges and intervals over the draws of the transfer study."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lungsight.evaluation.metrics import Row
from lungsight.evaluation.replicates import interval_over_splits, spread_of
from lungsight.evaluation.transfer_study.settings import ALL, ENTROPY, ONE_STAGE, RANDOM, TWO_STAGES

AUC, BY_ENTROPY, BY_STAGES = "roc_auc", "entropy_minus_random", "two_stages_minus_one"
QUANTITIES = (AUC, BY_ENTROPY, BY_STAGES)
CELL = ["pipeline", "cohort", "start", "frozen_blocks", "blocks", "patients", "selection"]


def summary_rows(trainings: pd.DataFrame) -> list[Row]:
    """Summarise the trainings of the study over their draws.

    The interval is the t interval of the mean over draws, from five draws on. All draws are tested on the same
    patients, so it says what other training patients would give, not what other test patients would.

    Parameters
    ----------
    trainings
        report/transfer_study.tsv.

    Returns
    -------
    For each cell a row of its AUC. Then rows of differences between trainings of one draw, which have the same
    patients: slices by entropy minus random ones, and two stages minus one.
    """
    rows = [
        _row(AUC, dict(zip(CELL, cell, strict=True)), table["roc_auc"], table["slices"])
        for cell, table in trainings.groupby(CELL, sort=False)
    ]
    rows += _difference_rows(trainings, BY_ENTROPY, "selection", (ENTROPY, RANDOM))
    return rows + _difference_rows(
        trainings[trainings["selection"] == ALL], BY_STAGES, "start", (TWO_STAGES, ONE_STAGE)
    )


def _difference_rows(trainings: pd.DataFrame, quantity: str, column: str, values: tuple[str, str]) -> list[Row]:
    """Subtract, draw by draw, the AUC of the second value of a column from that of the first."""
    same = [name for name in CELL if name != column]
    first, second = (
        trainings[trainings[column] == value].set_index([*same, "draw"])[["roc_auc", "slices"]] for value in values
    )
    both = first.merge(second, left_index=True, right_index=True, suffixes=("_first", "")).reset_index()
    return [
        _row(
            quantity,
            dict(zip(same, cell, strict=True)) | {column: values[0]},
            table["roc_auc_first"] - table["roc_auc"],
            table["slices_first"],
        )
        for cell, table in both.groupby(same, sort=False)
    ]


def _row(quantity: str, cell: Mapping[str, Any], values: "pd.Series[float]", slices: "pd.Series[float]") -> Row:
    spread = spread_of(list(values))
    low, high = interval_over_splits(list(values), test_over_train=0)
    return {
        **{"quantity": quantity, **{name: cell[name] for name in CELL}},
        **{"slices": float(slices.mean()), "mean": spread.mean, "sd": spread.sd, "min": spread.min, "max": spread.max},
        **{"mean_lo": low, "mean_hi": high, "draws": spread.number},
    }
