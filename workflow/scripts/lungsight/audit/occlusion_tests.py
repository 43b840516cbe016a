"""The shortcut battery: how a trained model answers on slices of which a part is replaced.

    AUC of an intervention    ranks the patients by what is left; 0.5 where nothing of use to the model is left
    loss of AUC               intact − intervention, both on the same resamples of patients
    lung reliance             S_L / (S_L + S_B): S_L the sum over slices of |z(x) − z(x with the lung replaced)|, S_B of
                              |z(x) − z(x with the background replaced)|, z the logit; once for each fill

All with patient-clustered 95 % intervals.
"""

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.interventions import BACKGROUND_ONLY, FILLS, INTERVENTIONS, LUNG_ONLY, InterventionBatch, intervene
from lungsight.audit.model_outputs import Answers, ModelOutputs
from lungsight.audit.rows import UNMODIFIED, auc_row, auc_statistic, audit_row, by_unit, clustered_interval
from lungsight.program import progress

RELIANCE, RELIANCE_CHANCE = "lung_reliance", 0.5


def intervention_logits(probe: ModelOutputs, scene: InterventionBatch, intact: Answers) -> pd.DataFrame:
    """Logits of every slice, (n, 1 + interventions) float64, a column for each intervention, INTACT first."""
    changed = {name: probe(intervene(scene, name)).logit for name in progress(INTERVENTIONS, "interventions")}
    return pd.DataFrame({UNMODIFIED: intact.logit, **changed})


def occlusion_rows(table: pd.DataFrame, logits: pd.DataFrame, positive: str, resamples: int, seed: int) -> list[dict]:
    """The rows of shortcuts.tsv that follow from logits.

    table: patient, label. logits: as `interrogate`, in the same order.
    """
    units = {name: by_unit(table, expit(logits[name].to_numpy())) for name in logits}
    rows = []
    for name in logits:
        for unit, answers in units[name].items():
            rows.append(auc_row("intervention", name, answers, positive, resamples, seed, unit))
            if name != UNMODIFIED:
                before = units[UNMODIFIED][unit]["probability"].to_numpy()
                rows.append(_loss_row(name, answers, before, positive, resamples, seed, unit))
    return rows + [_reliance_row(fill, table, logits, resamples, seed) for fill in FILLS]


def _loss_row(
    name: str, answers: pd.DataFrame, before: np.ndarray, positive: str, resamples: int, seed: int, unit: str
) -> dict:
    truth = (answers["label"] == positive).to_numpy()
    if truth.all() or not truth.any():
        return audit_row("intervention", name, "roc_auc_loss", unit=unit, n=len(answers), reason="one class only")
    intact, left = (auc_statistic(truth, score) for score in (before, answers["probability"].to_numpy()))
    value, interval = clustered_interval(
        lambda weights: intact(weights) - left(weights), answers["patient"], resamples, seed
    )
    return audit_row("intervention", name, "roc_auc_loss", value, interval, unit=unit, n=len(answers), chance=0.0)


def _reliance_row(fill: str, table: pd.DataFrame, logits: pd.DataFrame, resamples: int, seed: int) -> dict:
    """The lung reliance index of one fill. Replacing the lung leaves the background only, and the other way round."""
    of_lung, of_background = (
        (logits[UNMODIFIED] - logits[f"{kept}_{fill}"]).abs().to_numpy() for kept in (BACKGROUND_ONLY, LUNG_ONLY)
    )

    def index(weights: np.ndarray) -> np.ndarray:
        total = weights @ (of_lung + of_background)
        return np.divide(weights @ of_lung, total, out=np.full(len(total), np.nan), where=total > 0)

    value, interval = clustered_interval(index, table["patient"], resamples, seed)
    reason = "the answer changes with neither part" if np.isnan(value) else ""
    n = len(table)
    return audit_row(RELIANCE, fill, "index", value, interval, unit="slice", n=n, chance=RELIANCE_CHANCE, reason=reason)
