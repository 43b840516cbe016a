"""Compute report/decision_curves.tsv again: what each patient adds to the net benefit, averaged over patients."""

from collections.abc import Iterator

import numpy as np

from lungsight.verify.compare import Expected, Value
from lungsight.verify.run import Run, of_patients, test_rows
from lungsight.verify.statistics import Floats, Scores, quotient, with_ends, without_interval

THRESHOLDS = tuple(hundredths / 100 for hundredths in range(5, 100, 5))


def decision_rows(run: Run) -> Iterator[Expected]:
    """Compute the net benefit of each model at every threshold, with that of acting on everybody."""
    for model, cohort, table in run.evaluated():
        patients = of_patients(test_rows(table))
        if len(patients):
            scores = Scores(patients, run.drawing.positive)
            draws = run.drawing.of(scores)
            is_drawn = len(draws) and "accuracy" not in without_interval(scores, run.drawing)
            draws = draws if is_drawn else draws[:0]
            for threshold in THRESHOLDS:
                key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage, "cohort": cohort}
                counted = {"n": len(scores), "n_positive": int(scores.truth.sum())}
                yield Expected(key | {"threshold": threshold}, counted | _curves(scores, threshold, draws))


def _curves(scores: Scores, threshold: float, draws: Floats) -> dict[str, float]:
    """Average what each row adds: 1 for a positive one that is acted on, minus the odds for a negative one."""
    worth = np.where(scores.truth, 1.0, -threshold / (1 - threshold))
    once = np.ones((1, scores.patients))
    rows = scores.by_patient(np.ones(len(scores)))

    def averages(weights: Floats) -> dict[str, Floats]:
        acted, everybody = (
            quotient(weights @ scores.by_patient(added), weights @ rows)
            for added in (worth * (scores.probability >= threshold), worth)
        )
        return {"net_benefit": acted, "act_on_all": everybody, "gain": acted - np.maximum(everybody, 0)}

    point, resampled = averages(once), averages(draws)
    found: dict[str, float] = {}
    for name, value in point.items():
        found |= with_ends(name, float(value[0]), resampled[name])
    return found
