"""Combine pipelines of a run: the weighted mean of their calibrated logits, by weights that validation chose.

The probabilities p of a pipeline are calibrated by one temperature T (`temperature`). An ensemble of pipelines m with
weights w, which are not negative and sum to 1, gives softmax(Σ w_m log p_m / T_m): with two classes, the sigmoid of the
mean of the calibrated logits. The weights are those of the least mean −log p of the true class over the validation
slices. That loss is convex in w. Test slices choose nothing.

References
----------
Guo, C. et al. (2017). On calibration of modern neural networks.
Breiman, L. (1996). Stacked regressions. Machine Learning 24, 49-64: weights that are not negative.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import log_softmax

from lungsight.classes import places_of, probabilities_of, with_probabilities
from lungsight.errors import UserError
from lungsight.evaluation.intervals import FloatArray, IntArray
from lungsight.evaluation.temperature import fit_temperature

IDENTITY = ["slice", "patient", "label", "split"]
MIN_PATIENTS = 3  # of each class among the validation patients; with fewer, all weights are equal
_EDGE = 1e-12  # an exact probability of 0 has no logarithm
_LEAST = 1e-4  # a smaller weight is 0: what the search left of it says nothing


class Ensemble(NamedTuple):
    """What validation chose.

    Attributes
    ----------
    members
        Pipelines.
    temperatures, weights
        Of each.
    slices, patients
        Of validation, that all members predict.
    note
        Why weights or temperatures were not fitted; else "".
    """

    members: list[str]
    temperatures: list[float]
    weights: list[float]
    slices: int
    patients: int
    note: str


def shared_rows(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Keep the slices that every table has, in the order of the first.

    Parameters
    ----------
    tables
        Predictions for one cohort, by pipeline.

    Raises
    ------
    UserError
        If a slice is of another subset, patient or label in another table: its pipelines were not split together.
    """
    first = next(iter(tables.values()))
    common = set(first["slice"]).intersection(*(table["slice"] for table in tables.values()))
    order = first.loc[first["slice"].isin(common), "slice"]
    kept = {name: table.set_index("slice").loc[order].reset_index() for name, table in tables.items()}
    wanted = first[first["slice"].isin(common)][IDENTITY].reset_index(drop=True)
    for name, table in kept.items():
        if not table[IDENTITY].equals(wanted):
            raise UserError(
                f"The predictions of {name} give a slice another patient, label or subset than those of"
                f" {next(iter(tables))}; run both again."
            )
    return kept


def _log_probabilities(tables: Mapping[str, pd.DataFrame], labels: Sequence[str], temperatures: Any) -> FloatArray:
    """Return calibrated logarithms of probabilities, (members, n, classes)."""
    logs = [
        log_softmax(np.log(np.clip(probabilities_of(table, labels), _EDGE, 1)) / temperature, axis=1)
        for table, temperature in zip(tables.values(), temperatures, strict=True)
    ]
    return np.stack(logs)


def mean_loss(logs: FloatArray, truth: IntArray, weights: FloatArray) -> float:
    """Return the mean −log p of the true class under weights.

    Parameters
    ----------
    logs
        (members, n, classes).
    truth
        (n,) place of the true class.
    weights
        (members,).
    """
    combined = log_softmax(np.tensordot(weights, logs, axes=1), axis=1)
    return float(-combined[np.arange(len(truth)), truth].mean())


def fit_weights(logs: FloatArray, truth: IntArray) -> FloatArray:
    """Find the weights of the least `mean_loss`: not negative, sum 1. Parameters as there."""
    members = len(logs)

    def gradient(weights: FloatArray) -> FloatArray:
        combined = np.exp(log_softmax(np.tensordot(weights, logs, axes=1), axis=1))
        expected = (combined * logs).sum(axis=2)
        return (expected - logs[:, np.arange(len(truth)), truth]).mean(axis=1)

    start = np.full(members, 1 / members)
    found: Any = minimize(
        lambda weights: mean_loss(logs, truth, weights),
        start,
        jac=gradient,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": lambda _: np.ones(members)},
        options={"ftol": 1e-12, "maxiter": 500},
    )
    weights = np.where(found.x < _LEAST, 0, found.x)
    best = weights / weights.sum()
    return best if mean_loss(logs, truth, best) <= mean_loss(logs, truth, start) else start


def fit_ensemble(tables: Mapping[str, pd.DataFrame], labels: Sequence[str]) -> Ensemble:
    """Fit temperatures and weights on the validation rows that all pipelines share.

    Parameters
    ----------
    tables
        Predictions for the cohort that the pipelines were trained on, by pipeline.
    labels
        All classes, in order.
    """
    members = list(tables)
    validation = {name: table[table["split"] == "val"] for name, table in shared_rows(tables).items()}
    first = validation[members[0]]
    size = {"slices": len(first), "patients": first["patient"].nunique()}
    fewest = first.groupby("label")["patient"].nunique().reindex(list(labels), fill_value=0).min()
    equal = [1 / len(members)] * len(members)
    if fewest < MIN_PATIENTS:
        note = (
            f"weights are equal and nothing is calibrated: {size['patients']} validation patients, {fewest} of the"
            f" rarest class; {MIN_PATIENTS} are needed"
        )
        return Ensemble(members, [1.0] * len(members), equal, **size, note=note)
    temperatures = [fit_temperature(table, labels) or 1.0 for table in validation.values()]
    logs = _log_probabilities(validation, labels, temperatures)
    weights = fit_weights(logs, places_of(first["label"], labels))
    return Ensemble(members, temperatures, [float(weight) for weight in weights], **size, note="")


def combine(ensemble: Ensemble, tables: Mapping[str, pd.DataFrame], labels: Sequence[str]) -> pd.DataFrame:
    """Combine the predictions of an ensemble's members for one cohort.

    Parameters
    ----------
    ensemble
    tables
        Predictions of each member.
    labels
        All classes, in order.

    Returns
    -------
    A table `predictions` of the slices that all members predict.
    """
    rows = shared_rows({name: tables[name] for name in ensemble.members})
    logs = _log_probabilities(rows, labels, ensemble.temperatures)
    combined = np.exp(log_softmax(np.tensordot(np.array(ensemble.weights), logs, axes=1), axis=1))
    table = with_probabilities(rows[ensemble.members[0]][IDENTITY], combined)
    if len(labels) <= 2:
        return table
    return table.assign(predicted=np.array(labels, dtype=object)[combined.argmax(axis=1)])
