"""Combine the predictions of slices into one prediction for each scan."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from lungsight.classes import PREDICTED, PROBABILITY, class_columns
from lungsight.evaluation.aggregation import scores_in
from lungsight.evaluation.class_metrics import decide
from lungsight.evaluation.metrics import THRESHOLD
from lungsight.predict.calibration import Calibration
from lungsight.predict.class_calibration import ClassCalibration
from lungsight.predict.out_of_distribution import Described, TrainingDistribution, alarms_of
from lungsight.rows import CasesRow
from lungsight.tables import rows_of
from lungsight.wording import number

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
    calibration: Calibration | ClassCalibration,
    distribution: TrainingDistribution,
    predict_patient: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> pd.DataFrame:
    """Predict every scan from its usable slices.

    Parameters
    ----------
    cases
        The table `cases`.
    slices
        The usable slices with `case`, `probability` (the raw sigmoid; with more than two classes that of the first, and
        p_1 … p_n), `lung_mass` and `enrichment`.
    described
        The same slices, in their order.
    labels
        The classes, the positive one first.
    predict_patient
        Gives the probabilities (k,) of a case from the probabilities (m, k) and the features (m, d) of its m slices. k
        is 1 with two classes.

    Returns
    -------
    DataFrame
        The table `new_predictions`: a row for every row of `cases`.
    """
    of_classes = class_columns(len(labels)) if len(labels) > 2 else []
    scores = of_classes or [PROBABILITY]
    places_of = slices.groupby("case").indices
    rows = []
    for case in rows_of(cases, CasesRow):
        chosen = places_of.get(case["case"], np.array([], dtype=int))
        identity = {"row": case["row"], "case": case["case"], "patient": case["patient"]}
        if len(chosen):
            raw = predict_patient(slices[scores].to_numpy(np.float64)[chosen], described.features[chosen])
            prediction = _with_lung(slices.iloc[chosen], _answer(slices.iloc[chosen], raw, labels, calibration))
        else:
            prediction = _unpredicted(case, input_view, of_classes)
        alarms = alarms_of(case, described.choose(np.asarray(chosen)), distribution) if case["status"] == "ok" else []
        outside = {
            "out_of_range": "; ".join(alarm.word for alarm in alarms),
            "out_of_range_note": "; ".join(alarm.text for alarm in alarms),
        }
        rows.append(identity | prediction | outside | {"n_slices": case["n_slices"]})
    return pd.DataFrame(rows)


def _answer(
    slices: pd.DataFrame, raw: np.ndarray, labels: list[str], calibration: Calibration | ClassCalibration
) -> dict:
    """Say which class a case is predicted to be of, and how probable. raw: (k,), not calibrated."""
    if isinstance(calibration, ClassCalibration):
        return _most_probable(slices, raw, labels, calibration)
    probability = float(calibration(raw)[0])
    positive, negative = labels
    label = positive if probability >= calibration.threshold else negative
    note = f"{label}: {'at or above' if label == positive else 'below'} the model's threshold"
    return {
        **{"label": label, "probability": probability, "threshold": calibration.threshold, "outcome_note": note},
        "probability_raw": float(raw[0]),
        "positive_share": float((slices["probability"] >= THRESHOLD).mean()),
    }


def _most_probable(slices: pd.DataFrame, raw: np.ndarray, labels: list[str], calibration: ClassCalibration) -> dict:
    (probabilities,) = calibration(raw[None])
    label = labels[int(decide(probabilities[None])[0])]
    ranked = sorted(zip(labels, probabilities, strict=True), key=lambda each: -each[1])
    return {
        **{"label": label, "probability": float(probabilities[0]), "threshold": np.nan},
        "outcome_note": f"{label}: the most probable class",
        **{"probability_raw": float(raw[0]), "positive_share": float((slices[PREDICTED] == labels[0]).mean())},
        **dict(zip(class_columns(len(labels)), probabilities.tolist(), strict=True)),
        "ranked": "; ".join(f"{name} {number(value)}" for name, value in ranked),
    }


def _with_lung(slices: pd.DataFrame, answer: dict) -> dict:
    means = {name: float(slices[name].mean()) for name in ("lung_mass", "enrichment")}
    return answer | means | {"n_used": len(slices)}


def _unpredicted(case: CasesRow, input_view: str, of_classes: list[str]) -> dict:
    note = f"{case['status']}: {case['reason']}" if case["status"] != "ok" else NO_SLICE[input_view]
    numbers = ("probability", "threshold", "lung_mass", "enrichment", "probability_raw", "positive_share")
    empty = dict.fromkeys((*numbers, *of_classes), np.nan) | ({"ranked": ""} if of_classes else {})
    return {"label": "", "outcome_note": f"no prediction; {note}", "n_used": 0, **empty}


def slices_to_draw(slices: pd.DataFrame) -> pd.DataFrame:
    """Choose for each case the slices of the highest, the median and the lowest probability.

    With more than two classes it is that of the class which is the most probable over all slices of the case.

    Returns
    -------
    DataFrame
        Rows of `slices` with their index, and the column `position`. A case with fewer than three slices has fewer.
    """
    chosen, of_classes = [], scores_in(slices)
    for _, group in slices.groupby("case", sort=False):
        score = str(group[of_classes].mean().idxmax()) if of_classes else PROBABILITY
        ordered = group.sort_values(score, kind="stable", ascending=False).index
        places = {"highest": ordered[0], "median": ordered[len(ordered) // 2], "lowest": ordered[-1]}
        taken = {index: position for position, index in reversed(places.items())}
        chosen += [(index, taken[index]) for index in dict.fromkeys(places.values())]
    drawn = slices.loc[[index for index, _ in chosen]]
    return drawn.assign(position=[position for _, position in chosen])
