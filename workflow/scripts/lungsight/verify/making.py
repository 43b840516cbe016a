"""Compute the rows `making` of report/audit.tsv again, from the logits of slices whose making was changed."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from lungsight.verify.areas import Pair, Ranked, logistic, of_first
from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import numbers
from lungsight.verify.run import Model, Run
from lungsight.verify.statistics import NAN, Drawing, Floats, Patients, quotient, with_ends

TEST, INTACT = "making", "intact"
# Each kind of change, and the traces that it is meant for.
KINDS = {
    "borders": ("letterbox_rows", "letterbox_columns", "border", "border_grey"),
    "letters": ("marks",),
    "compression": ("blockiness", "block_row", "block_column"),
    "resolution": ("resampling", "resampling_frequency", "edge_width"),
    "grey_levels": ("grey_levels", "histogram_gaps", "clipped_low", "clipped_high"),
    "noise": ("noise_air", "noise_muscle"),
}
# Columns of forensics.tsv that hold no number.
WORDS = {
    *("slice", "format", "mode", "alpha", "interlaced", "exif", "jpeg_tables", "jpeg_subsampling"),
    *("transfer_syntax", "lossy"),
}
SIGNIFICANT = 0.05
GENERAL, ABOUT = "grey_levels", 0.05


def _row(variant: str, measure: str, unit: str, n: int, chance: float, value: float, draws: Floats) -> Expected:
    key: dict[str, Value] = {"test": TEST, "variant": variant, "measure": measure, "unit": unit}
    return Expected(key, {"n": n, "chance": chance} | with_ends("value", value, draws))


def making_rows(run: Run, model: Model, folder: str) -> Iterator[Expected]:
    """Compute the rows of one model. folder: of its explanation."""
    many = len(run.classes) > 2
    versions = [INTACT, *(f"{change}_{kind}" for kind in KINDS for change in ("washed", "imposed"))]
    words = ["slice", "patient", "label", *(["class"] if many else [])]
    name = f"{folder}/making_logits.tsv"
    table = run.crate.table(name, [*words, *versions])
    if table.empty:
        yield _row(INTACT, "roc_auc", "patient", 0, NAN, NAN, np.array([]))
        return
    labels = list(dict.fromkeys(table["class"])) if many else [run.classes[0]]
    shape = -1, len(labels)
    logits: dict[str, Floats] = {
        each: np.asarray(numbers(table[each], name, each), np.float64).reshape(shape) for each in versions
    }
    slices = table.iloc[:: len(labels)].reset_index(drop=True)
    intact = shown(slices, logits[INTACT], logits[INTACT], labels, run.drawing).by_patient()
    yield _area(INTACT, "roc_auc", intact)
    answers = {each: answer(values) for each, values in logits.items()}
    for kind in KINDS:
        washed, imposed = logits[f"washed_{kind}"], logits[f"imposed_{kind}"]
        after = shown(slices, washed, washed, labels, run.drawing).by_patient()
        yield _area(kind, "roc_auc", after)
        yield _loss(kind, intact, after)
        yield _area(kind, "auc_counterfactual", against(slices, washed, imposed, labels, run.drawing))
        yield _shift(kind, slices, answers[INTACT], answers[f"washed_{kind}"], run.drawing)
    traces = run.crate.table(f"cohorts/{run.trained_on(model.stage)}/forensics.tsv", ["slice"])
    yield from _correlations(slices.assign(answer=answers[INTACT]), traces, run.drawing)


def answer(logits: Floats) -> Floats:
    """Return the logit of the first class against all others, (n,)."""
    if logits.shape[1] == 1:
        return logits[:, 0]
    return logits[:, 0] - np.logaddexp.reduce(logits[:, 1:], axis=1)


def shown(table: pd.DataFrame, one: Floats, other: Floats, labels: list[str], drawing: Drawing) -> Ranked:
    """Score slices of which the first class of each pair shows one version, and the second another."""
    label = table["label"].to_numpy()
    if len(labels) == 1:
        return of_first(table, logistic(np.where(label == labels[0], one[:, 0], other[:, 0])), drawing)
    pairs = []
    for first, second in combinations(range(len(labels)), 2):
        rows = np.flatnonzero((label == labels[first]) | (label == labels[second]))
        seen = np.where((label[rows] == labels[first])[:, None], one[rows], other[rows])
        pairs.append(Pair(labels[first], labels[second], rows, logistic(seen[:, first] - seen[:, second])))
    return Ranked(table, pairs, drawing)


def against(table: pd.DataFrame, washed: Floats, imposed: Floats, labels: list[str], drawing: Drawing) -> Ranked:
    """Let each pair of classes show the trace in the way that gives the lower AUC by patient."""
    ways = [shown(table, *pair, labels, drawing).by_patient() for pair in ((washed, imposed), (imposed, washed))]
    nothing = np.zeros((0, Patients(ways[0].table["patient"]).count))
    pairs = list(ways[0].pairs)
    for place in ways[0].measured():
        if ways[1].areas(nothing, [place])[0] < ways[0].areas(nothing, [place])[0]:
            pairs[place] = ways[1].pairs[place]
    return Ranked(ways[0].table, pairs, drawing)


def _area(variant: str, measure: str, ranked: Ranked) -> Expected:
    if not ranked.measured():
        return _row(variant, measure, "patient", len(ranked), NAN, NAN, np.array([]))
    return _row(variant, measure, "patient", len(ranked), 0.5, *ranked.areas(ranked.draws()))


def _loss(variant: str, before: Ranked, after: Ranked) -> Expected:
    places = after.measured()
    if not places:
        return _row(variant, "roc_auc_loss", "patient", len(after), NAN, NAN, np.array([]))
    draws = after.draws()
    (first, of_first_), (second, of_second) = before.areas(draws, places), after.areas(draws)
    return _row(variant, "roc_auc_loss", "patient", len(after), 0.0, first - second, of_first_ - of_second)


def _shift(variant: str, slices: pd.DataFrame, before: Floats, after: Floats, drawing: Drawing) -> Expected:
    spread = float(np.std(before))
    if spread == 0:
        return _row(variant, "shift", "slice", len(slices), NAN, NAN, np.array([]))
    people = Patients(slices["patient"])
    weights = np.concatenate([np.ones((1, people.count)), drawing.of_rows(people)])
    means = quotient(weights @ people.sums(np.abs(after - before)), weights @ people.sums(np.ones(len(slices))))
    return _row(variant, "shift", "slice", len(slices), 0.0, float(means[0]) / spread, means[1:] / spread)


def _correlations(slices: pd.DataFrame, traces: pd.DataFrame, drawing: Drawing) -> Iterator[Expected]:
    place_of = {name: place for place, name in enumerate(traces["slice"])}
    places = [place_of[name] for name in slices["slice"]]
    for name in (column for column in traces.columns if column not in WORDS):
        of_slices = slices.assign(trace=numbers(traces[name].iloc[places], "forensics.tsv", name).to_numpy())
        people = of_slices.groupby(["patient", "label"], sort=False)[["answer", "trace"]].mean().reset_index()
        known = people[people["trace"].notna()].reset_index(drop=True)
        yield _correlation(name, known, drawing)


def _correlation(name: str, people: pd.DataFrame, drawing: Drawing) -> Expected:
    parts = [
        rows
        for _, rows in people.groupby("label")
        if len(rows) > 2 and rows["trace"].nunique() > 1 and rows["answer"].nunique() > 1
    ]
    if not parts:
        return _row(name, "rank_correlation", "patient", len(people), NAN, NAN, np.array([]))
    patients = Patients(people["patient"])
    drawn = np.concatenate([np.ones((1, patients.count)), drawing.of_rows(patients)])
    counts = drawn[:, patients.number]
    values, total = np.zeros(len(counts)), np.zeros(len(counts))
    for rows in parts:
        weights = counts[:, rows.index]
        n = weights.sum(axis=1)
        centred = []
        for column in ("trace", "answer"):
            ranks = rows[column].rank().to_numpy()
            centred.append(ranks[None, :] - quotient(weights @ ranks, n)[:, None])
        products = [
            np.einsum("bn,bn,bn->b", weights, one, other)
            for one, other in ((centred[0], centred[1]), (centred[0], centred[0]), (centred[1], centred[1]))
        ]
        spread = np.sqrt(products[1] * products[2])
        usable = (n > 0) & (np.minimum(products[1], products[2]) > 1e-12 * np.maximum(n, 1))
        values += np.where(usable, n * np.divide(products[0], spread, out=np.zeros_like(n), where=usable), 0)
        total += np.where(usable, n, 0)
    found = quotient(values, total)
    return _row(name, "rank_correlation", "patient", len(people), 0.0, float(found[0]), found[1:])


def telling_kinds(run: Run, cohort: str) -> dict[str, float]:
    """Give the kinds of which a trace tells the class of a cohort, by report/forensics.tsv: the best AUC of each."""
    name = "report/forensics.tsv"
    table = run.crate.table(name, ["cohort", "trace", "tells", "p_holm", "auc"])
    chosen = table[(table["cohort"] == cohort) & (table["tells"] == "label")]
    is_telling = (numbers(chosen["p_holm"], name, "p_holm") < SIGNIFICANT).to_numpy()
    telling = dict(zip(chosen.loc[is_telling, "trace"], numbers(chosen["auc"], name, "auc")[is_telling], strict=True))
    best = {kind: [telling[trace] for trace in traces if trace in telling] for kind, traces in KINDS.items()}
    return {kind: float(max(values)) for kind, values in best.items() if values}


def followed_kind(telling: Mapping[str, float], found: Mapping[str, tuple[float, float, float]]) -> str | None:
    """Choose the kind whose counterfactual AUC a verdict holds: the one that the answers follow.

    Parameters
    ----------
    telling
        Of `telling_kinds`.
    found
        The counterfactual AUC of each of them: value, low, high.
    """
    followed = [kind for kind in telling if found[kind][2] < 0.5]
    candidates = [kind for kind in followed if kind != GENERAL] or followed
    if candidates:
        mark = max(telling[kind] for kind in candidates) - ABOUT
        return next(kind for kind in candidates if telling[kind] >= mark)
    measured = [kind for kind in telling if not np.isnan(found[kind][0])]
    return min(measured, key=lambda kind: found[kind][0], default=None)
