"""From slices to cases: what is said of each row of the scans."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from lungsight.evaluation.metrics import THRESHOLD
from lungsight.predict.calibration import Calibration
from lungsight.predict.out_of_distribution import (
    TrainingDistribution,
    out_of_distribution_features,
    out_of_range_values,
)

KEEP = {"whole": "whole_keep", "segmented": "segmented_keep"}
NO_SLICE = {
    "whole": "no slice shows lung",
    "segmented": "no slice has a lung mask that is good enough",
}


def usable_slices(slices: pd.DataFrame, manifest: pd.DataFrame, framework: str) -> pd.DataFrame:
    """The slices that QC keeps in the framework, as `slices`, in its order."""
    kept = manifest.loc[manifest[KEEP[framework]] == 1, "slice"]
    return slices[slices["slice"].isin(kept)].reset_index(drop=True)


def predict_cases(
    cases: pd.DataFrame,
    slices: pd.DataFrame,
    features: np.ndarray,
    framework: str,
    labels: list[str],
    calibration: Calibration,
    distribution: TrainingDistribution,
    answer: Callable[[np.ndarray, np.ndarray], float],
) -> pd.DataFrame:
    """predictions.tsv: a row for every row of `cases`, in its order.

    slices: the usable ones, with case, probability (the raw sigmoid), lung_mass and enrichment. features: (n, d), a
    row for each. labels: the positive class first. answer: the probability of a case from those of its slices (n,) and
    their features.
    """
    rows_of_case = slices.groupby("case").indices
    rows = []
    for _, case in cases.iterrows():
        chosen = rows_of_case.get(case["case"], np.array([], dtype=int))
        identity = {name: case[name] for name in ("row", "case", "patient")}
        if len(chosen):
            raw = answer(slices["probability"].to_numpy(np.float64)[chosen], features[chosen])
            found = _predicted(slices.iloc[chosen], raw, labels, calibration)
        else:
            found = _unpredicted(case, framework)
        outside = out_of_range_values(case, distribution) if case["status"] == "ok" else []
        if len(chosen):
            outside += out_of_distribution_features(features[chosen], distribution)
        rows.append(identity | found | {"out_of_range": "; ".join(outside), "n_slices": case["n_slices"]})
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


def _unpredicted(case: pd.Series, framework: str) -> dict:
    note = f"{case['status']}: {case['reason']}" if case["status"] != "ok" else NO_SLICE[framework]
    empty = dict.fromkeys(
        ("probability", "threshold", "lung_mass", "enrichment", "probability_raw", "positive_share"), np.nan
    )
    return {"label": "", "outcome_note": f"no prediction; {note}", "n_used": 0, **empty}


def pictured(slices: pd.DataFrame) -> pd.DataFrame:
    """The slices to draw, by a rule: of each case those of the highest, the median and the lowest probability.

    Returns rows of `slices` with its index and a column `position`; a case with fewer slices has fewer pictures.
    """
    chosen = []
    for _, group in slices.groupby("case", sort=False):
        ordered = group.sort_values("probability", kind="stable", ascending=False).index
        places = {"highest": ordered[0], "median": ordered[len(ordered) // 2], "lowest": ordered[-1]}
        taken = {index: position for position, index in reversed(places.items())}
        chosen += [(index, taken[index]) for index in dict.fromkeys(places.values())]
    drawn = slices.loc[[index for index, _ in chosen]]
    return drawn.assign(position=[position for _, position in chosen])
