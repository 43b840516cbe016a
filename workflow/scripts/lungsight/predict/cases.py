"""Combine the predictions of slices into one prediction for each scan."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import THRESHOLD
from lungsight.predict.calibration import Calibration
from lungsight.predict.out_of_distribution import Described, TrainingDistribution, alarms_of
from lungsight.rows import CasesRow
from lungsight.tables import rows_of

KEEP = {"whole": "whole_keep", "segmented": "segmented_keep"}
NO_SLICE = {
    "whole": "no slice shows lung in a whole image",
    "segmented": "no slice of a whole image has a lung mask that is good enough",
}


def usable_slices(slices: pd.DataFrame, manifest: pd.DataFrame, input_view: str) -> pd.DataFrame:
    """Return the rows of `slices` that QC keeps in an input view."""
    kept = manifest.loc[manifest[KEEP[input_view]] == 1, "slice"]
    return slices[slices["slice"].isin(kept)].reset_index(drop=True)


def predict_cases(
    cases: pd.DataFrame,
    slices: pd.DataFrame,
    described: Described,
    input_view: str,
    labels: list[str],
    calibration: Calibration,
    distribution: TrainingDistribution,
    predict_patient: Callable[[np.ndarray, np.ndarray], float],
) -> pd.DataFrame:
    """Predict every scan from its usable slices.

    Parameters
    ----------
    cases
        The table `cases`.
    slices
        The usable slices with `case`, `probability` (the raw sigmoid), `lung_mass` and `enrichment`.
    described
        The same slices, in their order.
    labels
        The two classes, the positive one first.
    predict_patient
        Gives the probability of a case from the probabilities (m,) and the features (m, d) of its m slices.

    Returns
    -------
    DataFrame
        The table `new_predictions`: a row for every row of `cases`.
    """
    places_of = slices.groupby("case").indices
    rows = []
    for case in rows_of(cases, CasesRow):
        chosen = places_of.get(case["case"], np.array([], dtype=int))
        identity = {"row": case["row"], "case": case["case"], "patient": case["patient"]}
        if len(chosen):
            raw = predict_patient(slices["probability"].to_numpy(np.float64)[chosen], described.features[chosen])
            prediction = _predicted(slices.iloc[chosen], raw, labels, calibration)
        else:
            prediction = _unpredicted(case, input_view)
        alarms = alarms_of(case, described.choose(np.asarray(chosen)), distribution) if case["status"] == "ok" else []
        outside = {
            "out_of_range": "; ".join(alarm.word for alarm in alarms),
            "out_of_range_note": "; ".join(alarm.text for alarm in alarms),
        }
        rows.append(identity | prediction | outside | {"n_slices": case["n_slices"]})
    return pd.DataFrame(rows)


def _predicted(slices: pd.DataFrame, raw: float, labels: list[str], calibration: Calibration) -> dict:
    probability = float(calibration(np.array([raw]))[0])
    positive, negative = labels
    label = positive if probability >= calibration.threshold else negative
    note = f"{label}: {'at or above' if label == positive else 'below'} the model's threshold"
    return {
        **{"label": label, "probability": probability, "threshold": calibration.threshold, "outcome_note": note},
        **{name: float(slices[name].mean()) for name in ("lung_mass", "enrichment")},
        **{
            "probability_raw": raw,
            "n_used": len(slices),
            "positive_share": float((slices["probability"] >= THRESHOLD).mean()),
        },
    }


def _unpredicted(case: CasesRow, input_view: str) -> dict:
    note = f"{case['status']}: {case['reason']}" if case["status"] != "ok" else NO_SLICE[input_view]
    empty = dict.fromkeys(
        ("probability", "threshold", "lung_mass", "enrichment", "probability_raw", "positive_share"), np.nan
    )
    return {"label": "", "outcome_note": f"no prediction; {note}", "n_used": 0, **empty}


def slices_to_draw(slices: pd.DataFrame) -> pd.DataFrame:
    """Choose for each case the slices of the highest, the median and the lowest probability.

    Returns
    -------
    DataFrame
        Rows of `slices` with their index, and the column `position`. A case with fewer than three slices has fewer.
    """
    chosen = []
    for _, group in slices.groupby("case", sort=False):
        ordered = group.sort_values("probability", kind="stable", ascending=False).index
        places = {"highest": ordered[0], "median": ordered[len(ordered) // 2], "lowest": ordered[-1]}
        taken = {index: position for position, index in reversed(places.items())}
        chosen += [(index, taken[index]) for index in dict.fromkeys(places.values())]
    drawn = slices.loc[[index for index, _ in chosen]]
    return drawn.assign(position=[position for _, position in chosen])
