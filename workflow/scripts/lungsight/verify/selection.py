"""Compute report/selection.tsv again: whether what was left out depends on the class.

The test repeats the run's shuffles and simulated draws with its seed; docs/evaluation.md describes it. SciPy comes with
scikit-learn.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from lungsight.verify.compare import Expected, Value
from lungsight.verify.run import Run
from lungsight.verify.statistics import AT_ONCE, NAN, Floats, holm

DRAWS = 4999
NO_SPREAD = 1e-12
LEAST_CORRELATION, MOST_CORRELATION = 1e-3, 0.999
COUNTED = ("patient", "label")


class Part(NamedTuple):
    """What one step saw: rows with patient and label, and which of them it left out."""

    key: dict[str, Value]
    unit: str
    known: int
    rows: pd.DataFrame


def parts_of(run: Run) -> Iterator[Part]:
    """Yield what intake left out of each labelled cohort, and quality control for each input view."""
    views = sorted({model.pipeline.split("-")[0] for model, _ in run.predictions})
    for cohort, entry in run.config["cohorts"].items():
        if entry["role"] == "segmentation":
            continue
        known = int(entry.get("patients") == "known")
        cases = run.crate.table(f"cohorts/{cohort}/cases.tsv", ["case", "status", *COUNTED])
        meant = cases[cases["status"] != "skipped"]
        key: dict[str, Value] = {"cohort": cohort, "excluded_by": "intake", "framework": ""}
        yield Part(key, "row", known, meant[list(COUNTED)].assign(lost=(meant["status"] == "rejected").astype(float)))
        slices = run.crate.table(f"cohorts/{cohort}/slices.tsv", ["slice", "case", *COUNTED])
        slices = slices[slices["case"].isin(cases.loc[cases["status"] == "ok", "case"])]
        for view in views:
            manifest = run.crate.table(f"qc/{cohort}/manifest.tsv", ["slice", f"{view}_keep"])
            kept = slices["slice"].isin(manifest.loc[manifest[f"{view}_keep"] == "1", "slice"])
            key = {"cohort": cohort, "excluded_by": "quality control", "framework": view}
            yield Part(key, "slice", known, slices[list(COUNTED)].assign(lost=(~kept).astype(float)))


def selection_rows(run: Run) -> Iterator[Expected]:
    """Compute the shares that each step left out of each class, and the p-values of all steps of the run."""
    parts = [part for part in parts_of(run) if part.rows["label"].isin(run.classes).any()]
    by_patient = [_people(part.rows) for part in parts]
    p = [p_of_classes(people, run.config["seed"]) for people in by_patient]
    for part, people, value, corrected in zip(parts, by_patient, p, holm(p), strict=True):
        for label in run.classes:
            rows, of_class = part.rows[part.rows["label"] == label], people[people["label"] == label]
            if len(of_class):
                shares = of_class["mean"].to_numpy(float)
                share, low, high = share_with_interval(shares, len(rows))
                counted: dict[str, Value] = {
                    **{"unit": part.unit, "patients_known": part.known, "patients": len(of_class)},
                    **{"patients_kept": int(np.count_nonzero(shares < 1)), "n": len(rows)},
                    "kept": int(np.count_nonzero(rows["lost"] == 0)),
                }
                ends = {"excluded": share, "excluded_lo": low, "excluded_hi": high, "p": value, "p_holm": corrected}
                yield Expected(part.key | {"label": label}, {**counted, **ends})


def _people(rows: pd.DataFrame) -> pd.DataFrame:
    """Give the share that each patient lost, and the patient's number of rows."""
    return rows.groupby(["label", "patient"], sort=False)["lost"].agg(["mean", "size"]).reset_index()


def share_with_interval(shares: Floats, units: int) -> tuple[float, float, float]:
    """Average patients' shares, with the interval of Korn and Graubard for proportions of clusters."""
    n, share = len(shares), float(np.mean(shares))
    effective, spread = float(n), float(np.var(shares, ddof=1)) / n if n > 1 else NAN
    if spread > 0:
        wider = float(stats.t.ppf(0.975, max(units - 1, 1)) / stats.t.ppf(0.975, n - 1))
        effective = min(float(units), share * (1 - share) / spread * wider**2)
    lost = share * effective
    low = float(stats.beta.ppf(0.025, lost, effective - lost + 1)) if share > 0 else 0.0
    high = float(stats.beta.ppf(0.975, lost + 1, effective - lost)) if share < 1 else 1.0
    return share, low, high


def welch(values: Floats, groups: list[slice]) -> Floats:
    """Find the largest |t| of Welch between two groups of the columns of each row."""
    largest = np.zeros(len(values))
    for one, other in combinations(groups, 2):
        first, second = values[:, one], values[:, other]
        apart = np.abs(np.mean(first, axis=1) - np.mean(second, axis=1))
        error = np.sqrt(
            np.var(first, axis=1, ddof=1) / first.shape[1] + np.var(second, axis=1, ddof=1) / second.shape[1]
        )
        without = np.where(apart > NO_SPREAD, np.inf, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            largest = np.maximum(largest, np.where(error > NO_SPREAD, apart / error, without))
    return largest


def p_of_classes(people: pd.DataFrame, seed: int) -> float:
    """Test whether the shares of patients depend on their class; NaN without two classes of two patients."""
    members = [people[people["label"] == label] for label in people["label"].unique()]
    members = [of_class for of_class in members if len(of_class) > 1]
    if len(members) < 2:
        return NAN
    shares, units = (np.concatenate([part[name].to_numpy(float) for part in members]) for name in ("mean", "size"))
    if np.ptp(shares) == 0:
        return 1.0
    ends = np.cumsum([len(part) for part in members]).tolist()
    groups = [slice(end - len(part), end) for end, part in zip(ends, members, strict=True)]
    observed, rng = float(welch(shares[None], groups)[0]), np.random.default_rng(seed)

    def share_reached(draw: Callable[[int], Floats]) -> float:
        at_once = max(1, AT_ONCE // len(shares))
        counts = [min(at_once, DRAWS - start) for start in range(0, DRAWS, at_once)]
        found = np.concatenate([welch(draw(count), groups) for count in counts])
        return float(1 + np.count_nonzero((found >= observed) | np.isclose(found, observed))) / (1 + DRAWS)

    def simulated(count: int) -> Floats:
        mean, chance = float(np.mean(shares)), np.full((count, len(shares)), float(np.mean(shares)))
        correlation = correlation_within(shares, units)
        if correlation > LEAST_CORRELATION:
            scale = 1 / correlation - 1
            chance = rng.beta(mean * scale, (1 - mean) * scale, chance.shape)
        return rng.binomial(units.astype(np.int64), chance) / units

    by_shuffling = share_reached(lambda count: rng.permuted(np.tile(shares, (count, 1)), axis=1))
    return by_shuffling if np.ptp(units) == 0 else max(by_shuffling, share_reached(simulated))


def correlation_within(shares: Floats, units: Floats) -> float:
    """Estimate the correlation of two rows of a patient by the analysis of variance, from 0 to just below 1."""
    n, total = len(units), float(np.sum(units))
    if total <= n:
        return 0.0
    mean = float(np.sum(shares * units)) / total
    between = float(np.sum(units * np.square(shares - mean))) / (n - 1)
    within = float(np.sum(units * shares * (1 - shares))) / (total - n)
    typical = (total - float(np.sum(np.square(units))) / total) / (n - 1)
    below = between + (typical - 1) * within
    return float(np.clip((between - within) / below, 0, MOST_CORRELATION)) if below > 0 else 0.0
