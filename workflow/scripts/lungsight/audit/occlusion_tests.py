"""Occlusion tests: what a trained model predicts for slices of which a part is replaced.

AUC of an intervention
    How well the prediction ranks the patients by the rest of the slice. 0.5: the model can use nothing of it. With more
    than two classes it is the mean over the pairs of classes (`pairs`).
loss of AUC
    AUC of the unmodified slices minus that of the intervention, both on the same resamples of patients.
lung reliance
    S_L / (S_L + S_B), once for each fill. S_L is the sum over slices of |z(x) − z(x with the lung replaced)|, S_B that
    of |z(x) − z(x with the background replaced)|, and z the logit; with more than two classes, the margin of the class
    that is predicted for the slice as it is: its logit minus the logsumexp of the others.

All have 95 % intervals over patients.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import expit

from lungsight.audit.interventions import (
    BACKGROUND_ONLY,
    FILLS,
    INTERVENTIONS,
    LUNG_ONLY,
    SWAPS,
    InterventionBatch,
    donors_of,
    intervene,
)
from lungsight.audit.pairs import PairScores, Statistic, by_unit, scores_of_first, scores_of_pairs, scores_of_swaps
from lungsight.audit.predictions import Predictions, Predictor
from lungsight.audit.rows import UNMODIFIED, auc_row, audit_row, clustered_interval, interval_of_pairs
from lungsight.classes import Classes, margins_of, places_of, present
from lungsight.evaluation.class_metrics import decide
from lungsight.program import progress
from lungsight.rows import AuditRow

RELIANCE, RELIANCE_CHANCE = "lung_reliance", 0.5


def intervention_logits(
    outputs: Predictor, batch: InterventionBatch, unmodified: Predictions, identity: pd.DataFrame, classes: Classes
) -> pd.DataFrame:
    """Predict the logits of every slice under every intervention.

    Parameters
    ----------
    outputs
        The model.
    batch
        n slices.
    unmodified
        What the model predicts for these slices as they are.
    identity
        n rows: slice, patient, label.
    classes
        That the model tells apart.

    Returns
    -------
    pandas.DataFrame
        intervention_logits.tsv. A row per slice, with more classes than two per slice and class.
    """
    changed = {name: outputs(intervene(batch, name)).logits for name in progress(INTERVENTIONS, "interventions")}
    logits = {UNMODIFIED: unmodified.logits, **changed}
    if classes.sigmoid:
        return identity.assign(**{name: values[:, 0] for name, values in logits.items()})
    k = len(classes)
    rows = identity.loc[identity.index.repeat(k)].reset_index(drop=True)
    of_classes = np.tile(np.array(classes.names, dtype=object), len(identity))
    return rows.assign(**{"class": of_classes}, **{name: values.ravel() for name, values in logits.items()})


def swap_logits(outputs: Predictor, batch: InterventionBatch, identity: pd.DataFrame, classes: Classes) -> pd.DataFrame:
    """Predict every slice with a part of a patient of every other class in turn: swap_logits.tsv.

    Arguments as for `intervention_logits`. A row per slice and class of the donor. The value is the logit of the
    slice's own class minus that of the donor's.
    """
    names = present(classes.names, identity["label"])
    own, rows = places_of(identity["label"], classes.names), np.arange(len(identity))
    parts: list[pd.DataFrame] = []
    for step in progress(range(1, len(names)), "other classes"):
        swapped = batch.with_donors(donors_of(identity, names, step))
        donors = identity["label"].to_numpy()[swapped.donors]
        other = places_of(pd.Series(donors), classes.names)
        margins: dict[str, np.ndarray] = {}
        for name in SWAPS:
            logits = outputs(intervene(swapped, name)).logits
            margins[name] = logits[rows, own] - logits[rows, other]
        parts.append(identity.assign(donor=donors, **margins))
    return pd.concat(parts, ignore_index=True) if parts else identity.head(0).assign(donor="", **dict.fromkeys(SWAPS))


def logits_by_class(
    table: pd.DataFrame, variants: Sequence[str] = (UNMODIFIED, *INTERVENTIONS)
) -> tuple[pd.DataFrame, dict[str, np.ndarray], list[str]]:
    """Read a table of logits of more than two classes. variants: its columns of logits.

    Returns
    -------
    slices
        n rows: slice, patient, label.
    logits
        By variant, (n, k).
    labels
        The k classes that the model tells apart, in order.
    """
    labels: list[str] = list(table["class"].unique())
    slices = table.iloc[:: len(labels)][["slice", "patient", "label"]].reset_index(drop=True)
    return slices, {name: table[name].to_numpy(np.float64).reshape(-1, len(labels)) for name in variants}, labels


def scores_of_interventions(
    table: pd.DataFrame, swaps: pd.DataFrame | None, positive: str
) -> tuple[dict[str, PairScores], dict[str, np.ndarray]]:
    """Read how well the classes are ranked, and the margin of the predicted class, under every intervention.

    Parameters
    ----------
    table
        intervention_logits.tsv.
    swaps
        swap_logits.tsv; None with two classes.
    positive
        Label of the first of two classes.

    Returns
    -------
    scores
        By intervention, a row per slice.
    margins
        By intervention, (n,): of the class that is predicted for the slice as it is. With two classes the logit, which
        differs from the margin by its sign at most.
    """
    if swaps is None:
        names = [UNMODIFIED, *INTERVENTIONS]
        margins = {name: table[name].to_numpy(np.float64) for name in names}
        probabilities: dict[str, np.ndarray] = {name: expit(values) for name, values in margins.items()}
        return {name: scores_of_first(table, values, positive) for name, values in probabilities.items()}, margins
    slices, logits, labels = logits_by_class(table)
    predicted = decide(logits[UNMODIFIED])
    scores = {
        name: scores_of_swaps(swaps, slices, name, labels) if name in SWAPS else scores_of_pairs(slices, values, labels)
        for name, values in logits.items()
    }
    return scores, {name: margins_of(values, predicted) for name, values in logits.items()}


def occlusion_rows(
    scores: dict[str, PairScores], margins: dict[str, np.ndarray], resamples: int, seed: int
) -> list[AuditRow]:
    """Make the rows of shortcuts.tsv that follow from logits. scores, margins: of `scores_of_interventions`."""
    units = {name: by_unit(of_slices) for name, of_slices in scores.items()}
    rows: list[AuditRow] = []
    for name, of_units in units.items():
        for unit, of_unit in of_units.items():
            rows.append(auc_row("intervention", name, of_unit, resamples, seed, unit))
            if name != UNMODIFIED:
                rows.append(_loss_row(name, of_unit, units[UNMODIFIED][unit], resamples, seed, unit))
    patients = scores[UNMODIFIED].table["patient"]
    return rows + [_reliance_row(fill, patients, margins, resamples, seed) for fill in FILLS]


def _loss_row(name: str, changed: PairScores, before: PairScores, resamples: int, seed: int, unit: str) -> AuditRow:
    n, pairs = len(changed.table), changed.measured
    if not pairs:
        return audit_row("intervention", name, "roc_auc_loss", unit=unit, n=n, reason="one class only")
    unmodified, modified = before.statistic(pairs), changed.statistic(pairs)
    value, interval = interval_of_pairs(
        changed, lambda weights: unmodified(weights) - modified(weights), resamples, seed
    )
    return audit_row("intervention", name, "roc_auc_loss", value, interval, unit=unit, n=n, chance=0.0)


def reliance_statistic(of_lung: np.ndarray, of_background: np.ndarray) -> Statistic:
    """Make the lung's share of all changes of the logit a statistic of weighted slices. Both: (n,), not negative."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights @ (of_lung + of_background)
        return np.divide(weights @ of_lung, total, out=np.full(len(total), np.nan), where=total > 0)

    return statistic


def _reliance_row(
    fill: str, patients: "pd.Series[str]", margins: dict[str, np.ndarray], resamples: int, seed: int
) -> AuditRow:
    """Measure the lung reliance with one fill. `background_only` replaces the lung, `lung_only` the background."""
    of_lung, of_background = (
        np.abs(margins[UNMODIFIED] - margins[f"{kept}_{fill}"]) for kept in (BACKGROUND_ONLY, LUNG_ONLY)
    )
    statistic = reliance_statistic(of_lung, of_background)
    value, interval = clustered_interval(statistic, patients, resamples, seed)
    reason = "the answer changes with neither part" if np.isnan(value) else ""
    n, chance = len(patients), RELIANCE_CHANCE
    return audit_row(RELIANCE, fill, "index", value, interval, unit="slice", n=n, chance=chance, reason=reason)
