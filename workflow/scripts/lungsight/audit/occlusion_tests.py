"""Occlusion tests: what a trained model predicts for slices of which a part is replaced.

AUC of an intervention
    How well the prediction ranks the patients by the rest of the slice. 0.5: the model can use nothing of it.
loss of AUC
    AUC of the unmodified slices minus that of the intervention, both on the same resamples of patients.
lung reliance
    S_L / (S_L + S_B), once for each fill. S_L is the sum over slices of |z(x) − z(x with the lung replaced)|, S_B that
    of |z(x) − z(x with the background replaced)|, and z the logit.

All have 95 % intervals over patients.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.interventions import BACKGROUND_ONLY, FILLS, INTERVENTIONS, LUNG_ONLY, InterventionBatch, intervene
from lungsight.audit.predictions import Predictions, Predictor
from lungsight.audit.rows import (
    UNMODIFIED,
    Statistic,
    auc_row,
    auc_statistic,
    audit_row,
    by_unit,
    clustered_interval,
)
from lungsight.program import progress
from lungsight.rows import AuditRow

RELIANCE, RELIANCE_CHANCE = "lung_reliance", 0.5


def intervention_logits(outputs: Predictor, batch: InterventionBatch, unmodified: Predictions) -> pd.DataFrame:
    """Predict the logit of every slice under every intervention.

    Parameters
    ----------
    outputs
        The model.
    batch
        n slices.
    unmodified
        What the model predicts for these slices as they are.

    Returns
    -------
    pandas.DataFrame
        n rows, float64: the column UNMODIFIED, then one for each intervention.
    """
    changed = {name: outputs(intervene(batch, name)).logit for name in progress(INTERVENTIONS, "interventions")}
    return pd.DataFrame({UNMODIFIED: unmodified.logit, **changed})


def occlusion_rows(
    table: pd.DataFrame, logits: pd.DataFrame, positive: str, resamples: int, seed: int
) -> list[AuditRow]:
    """Make the rows of shortcuts.tsv that follow from logits.

    Parameters
    ----------
    table
        A row per slice: patient, label.
    logits
        As `intervention_logits` gives them, in the same order.
    """
    logit_arrays: dict[str, np.ndarray] = {str(name): logits[name].to_numpy(np.float64) for name in logits}
    units = {name: by_unit(table, expit(values)) for name, values in logit_arrays.items()}
    rows: list[AuditRow] = []
    for name, tables in units.items():
        for unit, predictions in tables.items():
            rows.append(auc_row("intervention", name, predictions, positive, resamples, seed, unit))
            if name != UNMODIFIED:
                before = units[UNMODIFIED][unit]["probability"].to_numpy(np.float64)
                rows.append(_loss_row(name, predictions, before, positive, resamples, seed, unit))
    return rows + [_reliance_row(fill, table, logits, resamples, seed) for fill in FILLS]


def _loss_row(
    name: str, predictions: pd.DataFrame, before: np.ndarray, positive: str, resamples: int, seed: int, unit: str
) -> AuditRow:
    truth = (predictions["label"] == positive).to_numpy()
    n = len(predictions)
    if truth.all() or not truth.any():
        return audit_row("intervention", name, "roc_auc_loss", unit=unit, n=n, reason="one class only")
    unmodified, changed = (
        auc_statistic(truth, score) for score in (before, predictions["probability"].to_numpy(np.float64))
    )
    value, interval = clustered_interval(
        lambda weights: unmodified(weights) - changed(weights), predictions["patient"], resamples, seed
    )
    return audit_row("intervention", name, "roc_auc_loss", value, interval, unit=unit, n=n, chance=0.0)


def reliance_statistic(of_lung: np.ndarray, of_background: np.ndarray) -> Statistic:
    """Make the lung's share of all changes of the logit a statistic of weighted slices. Both: (n,), not negative."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights @ (of_lung + of_background)
        return np.divide(weights @ of_lung, total, out=np.full(len(total), np.nan), where=total > 0)

    return statistic


def _reliance_row(fill: str, table: pd.DataFrame, logits: pd.DataFrame, resamples: int, seed: int) -> AuditRow:
    """Measure the lung reliance with one fill. `background_only` replaces the lung, `lung_only` the background."""
    of_lung, of_background = (
        (logits[UNMODIFIED] - logits[f"{kept}_{fill}"]).abs().to_numpy(np.float64)
        for kept in (BACKGROUND_ONLY, LUNG_ONLY)
    )
    statistic = reliance_statistic(of_lung, of_background)
    value, interval = clustered_interval(statistic, table["patient"], resamples, seed)
    reason = "the answer changes with neither part" if np.isnan(value) else ""
    n, chance = len(table), RELIANCE_CHANCE
    return audit_row(RELIANCE, fill, "index", value, interval, unit="slice", n=n, chance=chance, reason=reason)
