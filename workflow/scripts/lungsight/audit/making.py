"""Ask whether a model uses how an image was made: its answers on test slices whose making is changed.

For each kind of trace (`washing.WASHINGS`) a slice has two versions besides itself: in one the trace is washed out, in
the other it is imposed. Both leave the anatomy where it is. Pictures are changed at their own size, before they are
resized for the network.

washed
    ROC AUC where the trace is washed out of all slices alike: what the model can do without it.
counterfactual
    ROC AUC where all slices of one class have the trace and those of the other do not. Of the two ways to do so, the
    one with the lower AUC. Below 0.5 the answers follow the trace and not the rest of the image.
rank correlation
    Of a trace, as it was measured, with the answer, among the patients of one class: 0 where the answer does not follow
    the trace. The label is the same for all of them, so that a disease cannot be the cause.
shift
    Mean change of the logit when the trace is washed out, in standard deviations of the logit.

With more than two classes both AUCs are means over pairs of classes (`pairs`).
"""

from collections.abc import Sequence
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import rankdata

from lungsight.audit.forensics import LABEL
from lungsight.audit.occlusion_tests import logits_by_class
from lungsight.audit.pairs import PairScores, Statistic, by_unit
from lungsight.audit.predictions import Predictor
from lungsight.audit.rows import UNMODIFIED, auc_row, audit_row, clustered_interval, interval_of_pairs
from lungsight.audit.verdict import Making, estimate
from lungsight.classes import Classes, margins_of
from lungsight.intake.forensics.imposing import IMPOSITIONS
from lungsight.intake.forensics.traces import BY_NAME, NUMBER, TRACES
from lungsight.intake.forensics.washing import DETAIL, WASHINGS, wash_resolution
from lungsight.program import progress
from lungsight.rows import AuditRow
from lungsight.tables import columns_of
from lungsight.training.image_cache import planes_of_slices, slice_arrays
from lungsight.training.regions import REGIONS

TEST = "making"
WASHED, IMPOSED = "washed", "imposed"
VERSIONS = (UNMODIFIED, *(f"{version}_{kind}" for kind in WASHINGS for version in (WASHED, IMPOSED)))
COUNTERFACTUAL = "auc_counterfactual"
NUMBERS = tuple(trace.name for trace in TRACES if trace.kind == NUMBER)
SEEN_DETAIL = DETAIL / 256  # of a network's rows: as large a share of what it sees is washed out as at 256 x 256
GOLDEN = (1 + 5**0.5) / 2
GENERAL = "grey_levels"  # every processing of a picture changes these as well
SIGNIFICANT = 0.05  # after Holm, over the traces of a cohort
NOT_MEASURED = "no test slice was measured"
SAME = "the trace is the same, or unknown, within every class"


def versions_of(grey: np.ndarray, seen: int) -> dict[str, np.ndarray]:
    """Make every version of a slice, by VERSIONS.

    Parameters
    ----------
    grey : (rows, columns) uint8
        As are all versions.
    seen
        Rows and columns that the network sees. A small network cannot see the detail that a large one can, so more
        than that is washed out of its slices.
    """
    washings = {kind: washing.wash for kind, washing in WASHINGS.items()}
    washings["resolution"] = partial(wash_resolution, detail=min(DETAIL, round(SEEN_DETAIL * seen)))
    changed = {UNMODIFIED: grey}
    for kind, wash in washings.items():
        changed[f"{WASHED}_{kind}"] = wash(grey)
        changed[f"{IMPOSED}_{kind}"] = IMPOSITIONS[kind](grey)
    return changed


def sample_of_patients(test: pd.DataFrame, at_most: int) -> pd.DataFrame:
    """Choose test slices of as many patients as possible, of all classes in turn, evenly spaced in class and patient.

    Parameters
    ----------
    test
        n rows: slice, patient, label.
    at_most
        Number of slices.
    """
    of_patient = test.groupby(["label", "patient"], sort=False)
    place, size = of_patient.cumcount(), of_patient["slice"].transform("size")
    # The middle first, then the quarters, and so on: fractions of a patient's slices in the order of a bisection.
    order = [_bisected(int(at), int(of)) for at, of in zip(place, size, strict=True)]
    patient = test.groupby("label", sort=False)["patient"].transform(lambda of_class: pd.factorize(of_class)[0])
    # Whole numbers whose multiples of the golden ratio leave the smallest fractions are evenly spaced.
    spaced = (patient.to_numpy(np.float64) * GOLDEN) % 1
    turns = pd.DataFrame({"label": test["label"].to_numpy(), "order": order, "spaced": spaced})
    turns["turn"] = turns.groupby(["label", "order"], sort=False)["spaced"].rank(method="first")
    chosen = turns.sort_values(["order", "turn"], kind="stable").index[:at_most]
    return test.iloc[np.sort(chosen)]


def _bisected(place: int, size: int) -> int:
    """Return the turn in which a bisection of 0 … size − 1 reaches a place."""
    low, high, turn = 0, size, 1
    while (middle := (low + high) // 2) != place:
        turn *= 2
        low, high = (low, middle) if place < middle else (middle + 1, high)
    return turn


class SliceSource(NamedTuple):
    """Where the slices of a cohort are, and how a network sees them.

    Attributes
    ----------
    slices
        slices.tsv.
    cohort, masks
        Folders of the cohort, and of its lung masks by shard.
    input_view
        "whole" or "segmented".
    region
        The part of each slice that the network sees, of REGIONS.
    size
        Rows and columns of an image.
    """

    slices: pd.DataFrame
    cohort: Path
    masks: Path
    input_view: str
    region: str
    size: int

    def remade(self, chosen: Sequence[str]) -> dict[str, np.ndarray]:
        """Make every version of n slices as the network sees it.

        Returns
        -------
        dict
            By VERSIONS, (n, size, size) uint8 in the order of `chosen`.
        """
        place = {name: number for number, name in enumerate(chosen)}
        cases = self.slices.loc[self.slices["slice"].isin(place), "case"].unique()
        wanted = self.slices[self.slices["case"].isin(cases)].reset_index(drop=True)
        remade = {name: np.zeros((len(place), self.size, self.size), np.uint8) for name in VERSIONS}
        for row, image, planes in planes_of_slices(wanted, self.cohort, {"masks": self.masks}):
            if (name := wanted["slice"].iloc[row]) not in place:
                continue
            lung = planes.get("masks", np.zeros(image.shape, bool))
            for version, changed in versions_of(image, self.size).items():
                remade[version][place[name]] = self._seen(changed, lung)
        return remade

    def _seen(self, image: np.ndarray, lung: np.ndarray) -> np.ndarray:
        box = REGIONS[self.region](lung)
        whole, segmented, _ = slice_arrays(box.crop(image), box.crop(lung), self.size)
        return segmented if self.input_view == "segmented" else whole


def audit_making(
    outputs: Predictor, test: pd.DataFrame, source: SliceSource, classes: Classes, at_most: int
) -> pd.DataFrame:
    """Measure what a model predicts for a sample of its test slices whose making is changed: making_logits.tsv.

    Parameters
    ----------
    outputs
        The model.
    test
        Its test slices: slice, patient, label.
    source
        Of their pictures.
    classes
        That the model tells apart.
    at_most
        Number of slices.
    """
    identity = sample_of_patients(test, at_most).reset_index(drop=True)
    if identity.empty:
        empty = pd.DataFrame(columns=columns_of("making_logits"))
        return empty.drop(columns="class") if classes.sigmoid else empty
    return making_logits(outputs, source.remade(list(identity["slice"])), identity, classes)


def making_logits(
    outputs: Predictor, remade: dict[str, np.ndarray], identity: pd.DataFrame, classes: Classes
) -> pd.DataFrame:
    """Predict the logits of every version of every slice: making_logits.tsv.

    Parameters
    ----------
    outputs
        The model.
    remade
        Of `remade_images`.
    identity
        n rows: slice, patient, label.
    classes
        That the model tells apart.
    """
    logits = {name: outputs(images).logits for name, images in progress(list(remade.items()), "versions")}
    if classes.sigmoid:
        return identity.assign(**{name: values[:, 0] for name, values in logits.items()})
    rows = identity.loc[identity.index.repeat(len(classes))].reset_index(drop=True)
    of_classes = np.tile(np.array(classes.names, dtype=object), len(identity))
    return rows.assign(**{"class": of_classes}, **{name: values.ravel() for name, values in logits.items()})


def _read(table: pd.DataFrame, positive: str) -> tuple[pd.DataFrame, dict[str, np.ndarray], list[str]]:
    """Return the slices, by version the logits (n, k), and their k classes: one, the positive, of two."""
    if "class" in table:
        return logits_by_class(table, VERSIONS)
    slices = table[["slice", "patient", "label"]].reset_index(drop=True)
    return slices, {name: table[name].to_numpy(np.float64)[:, None] for name in VERSIONS}, [positive]


def scores_of_versions(
    slices: pd.DataFrame, of_first: np.ndarray, of_second: np.ndarray, labels: Sequence[str]
) -> PairScores:
    """Make the scores of all pairs of classes, where the first class of a pair shows one version, the second another.

    Parameters
    ----------
    slices
        n rows: patient, label.
    of_first, of_second
        (n, k) logits of both versions; k = 1 with two classes, of the positive one.
    labels
        k classes.
    """
    label = slices["label"].to_numpy()
    if len(labels) == 1:
        values = np.where(label == labels[0], of_first[:, 0], of_second[:, 0])
        return PairScores(slices[["patient", "label"]], expit(values)[:, None], labels, many=False)
    place = {name: number for number, name in enumerate(labels)}
    columns: list[np.ndarray] = []
    for first, second in combinations(labels, 2):
        margins = (version[:, place[first]] - version[:, place[second]] for version in (of_first, of_second))
        own, other = margins
        columns.append(np.select([label == first, label == second], [expit(own), expit(other)], np.nan))
    return PairScores(
        slices[["patient", "label"]], np.stack(columns, axis=1), [first for first, _ in combinations(labels, 2)]
    )


def counterfactual_scores(
    slices: pd.DataFrame, washed: np.ndarray, imposed: np.ndarray, labels: Sequence[str]
) -> PairScores:
    """Choose for each pair of classes which of them shows the trace: the way with the lower AUC by patient.

    Arguments as for `scores_of_versions`.
    """
    ways = [scores_of_versions(slices, *pair, labels) for pair in ((washed, imposed), (imposed, washed))]
    patients = [way.by_patient() for way in ways]
    values = ways[0].values.copy()
    for pair in patients[0].measured:
        first, second = (
            float(of_patients.statistic([pair])(np.ones((1, len(of_patients.table))))[0]) for of_patients in patients
        )
        if second < first:
            values[:, pair] = ways[1].values[:, pair]
    return PairScores(ways[0].table, values, ways[0].firsts, ways[0].many)


def within_class_statistic(trace: np.ndarray, answer: np.ndarray, labels: np.ndarray) -> Statistic | None:
    """Make the rank correlation within classes a statistic of weighted patients.

    Ranks are those of all patients of a class. The mean over the classes is weighted by their patients.

    Parameters
    ----------
    trace, answer
        (n,) numbers.
    labels
        (n,) classes.

    Returns
    -------
    callable or None
        None where the trace or the answer does not vary within any class.
    """
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for name in np.unique(labels):
        rows = np.flatnonzero(labels == name)
        if len(rows) > 2 and np.ptp(trace[rows]) > 0 and np.ptp(answer[rows]) > 0:
            parts.append((rows, rankdata(trace[rows]), rankdata(answer[rows])))
    if not parts:
        return None

    def statistic(weights: np.ndarray) -> np.ndarray:
        total, sums = np.zeros(len(weights)), np.zeros(len(weights))
        for rows, first, second in parts:
            of_class = weights[:, rows]
            correlation = _weighted_correlation(of_class, first, second)
            counted = np.where(np.isnan(correlation), 0.0, of_class.sum(axis=1))
            sums += counted * np.nan_to_num(correlation)
            total += counted
        return np.divide(sums, total, out=np.full(len(weights), np.nan), where=total > 0)

    return statistic


def _weighted_correlation(weights: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    total = weights.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = [weights @ values / total for values in (first, second)]
        covariance = weights @ (first * second) / total - means[0] * means[1]
        spreads = [
            np.maximum(weights @ values**2 / total - mean**2, 0)
            for values, mean in zip((first, second), means, strict=True)
        ]
        return np.where(np.minimum(*spreads) > 1e-12, covariance / np.sqrt(spreads[0] * spreads[1]), np.nan)


def making_rows(table: pd.DataFrame, traces: pd.DataFrame, positive: str, resamples: int, seed: int) -> list[AuditRow]:
    """Make the rows of the audit that say whether a model uses how images were made.

    Parameters
    ----------
    table
        making_logits.tsv.
    traces
        The cohort's forensics.tsv.
    positive
        Label of the first of two classes.
    resamples, seed
        Of the intervals.
    """
    if table.empty:
        return [audit_row(TEST, UNMODIFIED, "roc_auc", reason=NOT_MEASURED)]
    slices, logits, labels = _read(table, positive)
    before = by_unit(scores_of_versions(slices, logits[UNMODIFIED], logits[UNMODIFIED], labels))
    rows = [auc_row(TEST, UNMODIFIED, before["patient"], resamples, seed, "patient")]
    for kind in WASHINGS:
        washed, imposed = (logits[f"{version}_{kind}"] for version in (WASHED, IMPOSED))
        after = scores_of_versions(slices, washed, washed, labels).by_patient()
        against = counterfactual_scores(slices, washed, imposed, labels).by_patient()
        rows += [
            auc_row(TEST, kind, after, resamples, seed, "patient"),
            _loss_row(kind, before["patient"], after, resamples, seed),
            _counterfactual_row(kind, against, resamples, seed),
            _shift_row(kind, slices, logits[UNMODIFIED], washed, resamples, seed),
        ]
    return rows + _correlation_rows(slices, logits[UNMODIFIED], traces, resamples, seed)


def _counterfactual_row(kind: str, scores: PairScores, resamples: int, seed: int) -> AuditRow:
    row = auc_row(TEST, kind, scores, resamples, seed, "patient")
    row["measure"] = COUNTERFACTUAL
    return row


def _loss_row(kind: str, before: PairScores, after: PairScores, resamples: int, seed: int) -> AuditRow:
    n, pairs = len(after.table), after.measured
    if not pairs:
        return audit_row(TEST, kind, "roc_auc_loss", n=n, reason="one class only")
    unmodified, washed = before.statistic(pairs), after.statistic(pairs)
    value, interval = interval_of_pairs(after, lambda weights: unmodified(weights) - washed(weights), resamples, seed)
    return audit_row(TEST, kind, "roc_auc_loss", value, interval, n=n, chance=0.0)


def _answers(logits: np.ndarray) -> np.ndarray:
    """Return the margin of the first class, (n,). logits: (n, k)."""
    return logits[:, 0] if logits.shape[1] == 1 else margins_of(logits, np.zeros(len(logits), int))


def _shift_row(
    kind: str, slices: pd.DataFrame, before: np.ndarray, after: np.ndarray, resamples: int, seed: int
) -> AuditRow:
    answers = _answers(before)
    moved, spread = np.abs(_answers(after) - answers), float(answers.std())
    if spread == 0:
        return audit_row(TEST, kind, "shift", unit="slice", n=len(slices), reason="all answers are the same")
    value, interval = clustered_interval(
        lambda weights: weights @ moved / weights.sum(axis=1) / spread, slices["patient"], resamples, seed
    )
    return audit_row(TEST, kind, "shift", value, interval, unit="slice", n=len(slices), chance=0.0)


def _correlation_rows(
    slices: pd.DataFrame, logits: np.ndarray, traces: pd.DataFrame, resamples: int, seed: int
) -> list[AuditRow]:
    measured = slices.assign(answer=_answers(logits)).merge(traces[["slice", *NUMBERS]], on="slice", how="left")
    patients = measured.groupby(["patient", "label"], sort=False)[["answer", *NUMBERS]].mean().reset_index()
    rows: list[AuditRow] = []
    for name in NUMBERS:
        known = patients[patients[name].notna()]
        statistic = within_class_statistic(
            known[name].to_numpy(np.float64), known["answer"].to_numpy(np.float64), known["label"].to_numpy()
        )
        if statistic is None:
            rows.append(audit_row(TEST, name, "rank_correlation", n=len(known), reason=SAME))
            continue
        value, interval = clustered_interval(statistic, known["patient"], resamples, seed)
        rows.append(audit_row(TEST, name, "rank_correlation", value, interval, n=len(known), chance=0.0))
    return rows


def making_of(traces: pd.DataFrame, audited: pd.DataFrame) -> tuple[Making, ...]:
    """Collect, of each kind of trace that tells the class of a model's cohort, what the model answers against it.

    The kinds are in the order in which they are named, that of WASHINGS.

    Parameters
    ----------
    traces
        Rows of report/forensics.tsv on the cohort.
    audited
        The model's rows of the audit tables.
    """
    telling = traces[(traces["tells"] == LABEL) & (traces["p_holm"] < SIGNIFICANT)].set_index("trace")["auc"]
    found: list[Making] = []
    for kind, washing in WASHINGS.items():
        of_kind = telling[telling.index.isin(washing.traces)]
        if not of_kind.empty:
            best = str(of_kind.idxmax())
            answers = [estimate(audited, TEST, kind, name) for name in (COUNTERFACTUAL, "roc_auc", "roc_auc_loss")]
            found.append(Making(BY_NAME[best].title, float(of_kind.max()), *answers, general=kind == GENERAL))
    return tuple(found)
