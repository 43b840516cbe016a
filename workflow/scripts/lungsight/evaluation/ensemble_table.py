"""Evaluate ensembles and rank them among the pipelines of their stage: report/ensembles.tsv."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lungsight.evaluation.class_metrics import Costs
from lungsight.evaluation.ensembles import Ensemble, combine, fit_ensemble
from lungsight.evaluation.intervals import FloatArray
from lungsight.evaluation.model_evaluation import evaluate_predictions
from lungsight.evaluation.performance_differences import holm, paired_rows

Predictions = Mapping[str, Mapping[str, pd.DataFrame]]  # pipeline → cohort → table of predictions
Row = dict[str, Any]
DIFFERENCE = ("difference", "difference_lo", "difference_hi", "p")


class Statistics(NamedTuple):
    """What every number needs: the classes, what errors cost, and the draws of the intervals."""

    positive: str
    resamples: int
    seed: int
    labels: Sequence[str] = ()
    costs: Costs = None


def combine_predictions(
    members: Sequence[str], predictions: Predictions, cohort: str, labels: Sequence[str]
) -> tuple[Ensemble, dict[str, pd.DataFrame]]:
    """Fit an ensemble on the cohort of its stage, and combine its members on every cohort.

    Parameters
    ----------
    members
        Pipelines.
    predictions
        Of the stage.
    cohort
        The cohort that the stage is trained on.
    labels
        All classes, in order.
    """
    ensemble = fit_ensemble({member: predictions[member][cohort] for member in members}, labels)
    cohorts = predictions[members[0]]
    return ensemble, {
        name: combine(ensemble, {member: predictions[member][name] for member in members}, labels) for name in cohorts
    }


def auc_by_patient(table: pd.DataFrame, statistics: Statistics) -> float:
    """Compute the AUC over the test patients; NaN where it is undefined."""
    _, by_patient = evaluate_predictions(table, statistics.positive, 0, statistics.seed)
    auc = by_patient["roc_auc"]
    return np.nan if auc is None else float(auc)


def _described(ensemble: Ensemble) -> Row:
    return {
        "members": " ".join(ensemble.members),
        "member_weights": " ".join(f"{weight:.4f}" for weight in ensemble.weights),
        "temperatures": " ".join(f"{temperature:.4f}" for temperature in ensemble.temperatures),
        "note": ensemble.note,
    }


def rows_of_stage(
    stage: int,
    cohort: str,
    predictions: Predictions,
    ensembles: Mapping[str, tuple[Ensemble, Mapping[str, pd.DataFrame]]],
    statistics: Statistics,
) -> Iterator[Row]:
    """Yield the rows of report/ensembles.tsv of one stage.

    Parameters
    ----------
    stage
        1 or 2.
    cohort
        The cohort that it is trained on.
    predictions
        Of every pipeline of the stage.
    ensembles
        Each as `combine_predictions` returns it, by name.
    statistics
    """
    singles = {name: auc_by_patient(tables[cohort], statistics) for name, tables in predictions.items()}
    combined = {name: auc_by_patient(tables[cohort], statistics) for name, (_, tables) in ensembles.items()}
    aucs = pd.Series([*singles.values(), *combined.values()], index=[*singles, *(f"ensemble {n}" for n in combined)])
    places = aucs.rank(method="min", ascending=False, na_option="bottom").astype(int)
    best = max(singles, key=lambda name: np.nan_to_num(singles[name], nan=-1))
    to_best = {
        name: _difference(predictions[best][cohort], tables[cohort], statistics)
        for name, (_, tables) in ensembles.items()
    }
    p: FloatArray = np.array([row["p"] for row in to_best.values()], np.float64)
    corrected = dict(zip(to_best, holm(p), strict=True))
    for name, (ensemble, tables) in ensembles.items():
        for of_cohort, table in tables.items():
            for row in evaluate_predictions(table, *statistics[:3], statistics.labels, statistics.costs):
                ranked: Row = dict.fromkeys(("rank", "ranked", *DIFFERENCE, "p_holm")) | {"compared_with": ""}
                if of_cohort == cohort and row["unit"] == "patient":
                    place = {"rank": int(places[f"ensemble {name}"]), "ranked": len(aucs), "compared_with": best}
                    ranked |= {**place, **to_best[name], "p_holm": corrected[name]}
                identity = {"ensemble": name, **_described(ensemble), "stage": stage, "cohort": of_cohort}
                yield {**identity, **ranked, **row}


def _difference(single: pd.DataFrame, combined: pd.DataFrame, statistics: Statistics) -> Row:
    """Compare the AUC by patient of an ensemble with that of a pipeline, on the patients that both have."""
    paired = paired_rows(single, combined, "patient", *statistics[:3])
    of_auc = [row for row in paired if row["metric"] == "roc_auc"]
    return {name: of_auc[0][name] for name in DIFFERENCE} if of_auc else dict.fromkeys(DIFFERENCE, np.nan)
