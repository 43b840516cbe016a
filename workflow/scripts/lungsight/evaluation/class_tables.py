"""Compute report/classes.tsv and report/confusion.tsv: each class against the rest, and which is taken for which."""

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from lungsight.classes import probabilities_of, with_probabilities
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.class_metrics import Costs, confusion_rows, renormalised, rows_by_class
from lungsight.evaluation.metrics import Row, select_test_rows
from lungsight.evaluation.temperature import calibrated, fit_temperature

RAW, RENORMALISED = "raw", "renormalised"


def units_of(predictions: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows that are classified: the slices, and a row for each patient."""
    return {"slice": predictions, "patient": patient_level(predictions)}


def temperatures_of(predictions: pd.DataFrame, labels: Sequence[str]) -> dict[str, float | None]:
    """Fit the temperature of slices and of patients on the validation rows of a prediction table."""
    validation = predictions[predictions["split"] == "val"]
    if validation.empty:
        return {"slice": None, "patient": None}
    return {unit: fit_temperature(table, labels) for unit, table in units_of(validation).items()}


def probabilities_shown(predictions: pd.DataFrame, labels: Sequence[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the predictions for a cohort as they are, and renormalised where the cohort lacks one of many classes."""
    yield RAW, predictions
    among = renormalised(predictions, labels) if len(labels) > 2 else None
    if among is not None:
        yield RENORMALISED, among


def class_rows(
    predictions: pd.DataFrame,
    temperatures: Mapping[str, float | None],
    labels: Sequence[str],
    costs: Costs,
    resamples: int,
    seed: int,
) -> list[Row]:
    """Compute the rows of report/classes.tsv for the test rows of one prediction table.

    Parameters
    ----------
    predictions
        Of one model for one cohort.
    temperatures
        As `temperatures_of` fits them on the cohort that the model was trained on.
    labels
        The classes, in order.
    costs
        As for `class_metrics.decide`.
    resamples, seed
        Of the intervals.
    """
    rows: list[Row] = []
    for shown, table in probabilities_shown(predictions, labels):
        for unit, scores in units_of(select_test_rows(table)).items():
            corrected = _calibration_errors(scores, temperatures[unit], labels)
            for row in rows_by_class(scores, labels, costs, resamples, seed):
                calibration: Row = {"temperature": temperatures[unit], "ece_calibrated": corrected[str(row["class"])]}
                rows.append({"unit": unit, "probabilities": shown, **row, **calibration})
    return rows


def _calibration_errors(
    scores: pd.DataFrame, temperature: float | None, labels: Sequence[str]
) -> dict[str, float | None]:
    """Compute the calibration error of each class after calibration by a temperature; None where nothing was fitted."""
    if temperature is None or scores.empty:
        return dict.fromkeys(labels)
    after = with_probabilities(scores, calibrated(probabilities_of(scores, labels), temperature))
    by_class = rows_by_class(after, labels, None, resamples=0, seed=0)
    return {label: _number(row["ece"]) for label, row in zip(labels, by_class, strict=True)}


def _number(value: object) -> float | None:
    return value if isinstance(value, float) else None


def cohort_confusion_rows(predictions: pd.DataFrame, labels: Sequence[str], costs: Costs) -> list[Row]:
    """Compute the rows of report/confusion.tsv for the test rows of one prediction table."""
    return [
        {"unit": unit, "probabilities": shown, **row}
        for shown, table in probabilities_shown(predictions, labels)
        for unit, scores in units_of(select_test_rows(table)).items()
        for row in confusion_rows(scores, labels, costs)
    ]
