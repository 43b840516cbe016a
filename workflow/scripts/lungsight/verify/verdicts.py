"""Come to the verdicts again: report/verdicts.tsv and report/pairs.tsv, with the numbers that they rest on.

The rules stand in docs/audit.md. Here they are written once more, as one function.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.verify.areas import Ranked
from lungsight.verify.audit import INTACT, rows_of_model, tested
from lungsight.verify.compare import Expected, Value
from lungsight.verify.crate import numbers as as_numbers
from lungsight.verify.making import TEST, followed_kind, telling_kinds
from lungsight.verify.maps import NO_MASK, explained
from lungsight.verify.run import SPLIT_COLUMNS, Model, Run, test_rows
from lungsight.verify.statistics import NAN, Drawing, Floats, Patients, mean_of_rows, quotient, with_ends

WORDS = {
    **{"lung": "looks at the lung", "chance": "no better than chance", "elsewhere": "looks elsewhere"},
    "making": "depends on how the image was made",
    **{"unknown": "cannot tell", "withheld": "not assessed"},
}
REJECTED, WRONG = NO_MASK[2], ("FP", "FN", "wrong")
FEWEST_LEFT, KEPT, DIFFERENCE, OF_OUTCOME, FEWEST_PATIENTS = 5, 0.5, 0.25, 10, 10
# What models are trained on by a remedy, the last word of a pipeline; no rule that rests on it is asked of them.
TRAINED_ON = {
    **{"lung_swap": {"swap"}, "attention_penalty": {"maps"}, "background_penalty": {"maps"}},
    "style": {"making"},
}
ON_MAPS = (
    "maps contradict",
    "maps elsewhere",
    "maps on the lung alone",
    "maps do not count",
    "no map",
    "no preference",
)
RESTS_ON = {
    **{rule: {"swap"} for rule in ("both suffice", "background outweighs", "making after training", "lung outweighs")},
    **{rule: {"swap", "maps"} for rule in ON_MAPS},
    "making outweighs": {"making"},
}
OF_PAIR = {"auc": INTACT, "background": "background_only_mean", "swap": "background_only_other"}
ABOVE_RANDOM = "repeatability_above_random_spearman"
NOTHING = (NAN, NAN, NAN)
Ends = tuple[float, float, float]


class Lost(NamedTuple):
    """What is left of a model's test slices without those that have no accepted lung mask."""

    slices: int
    lost: int
    words: str
    fewest_patients: int
    largest_share: float
    by_class: Ends
    by_outcome: Ends


def _ends(values: Mapping[str, Value], name: str) -> Ends:
    low, middle, high = (float(values[f"{name}{end}"]) for end in ("_lo", "", "_hi"))
    return middle, low, high


def conclude(
    numbers: Mapping[str, Ends], patients: int, lost: Lost | None, pairs: tuple[int, int], pipeline: str = ""
) -> tuple[str, str]:
    """Find the first rule that holds.

    Parameters
    ----------
    numbers
        auc, background, swap, lung, making, repeatability, enrichment and similarity: value, low, high.
    patients
        Test patients.
    lost
        None for a pair of classes.
    pairs
        How many pairs of classes the background decides, of how many.
    pipeline
        Its name, which says what it is trained on.

    Returns
    -------
    The key of the conclusion in WORDS, and the rule.
    """
    auc, background, swap, enrichment, similarity = (
        numbers[name] for name in ("auc", "background", "swap", "enrichment", "similarity")
    )
    if lost is not None and lost.lost:
        by_outcome = lost.by_outcome
        if lost.fewest_patients < FEWEST_LEFT:
            return "withheld", "too few left"
        if 1 - lost.largest_share < KEPT:
            return "withheld", "masks mostly lost"
        if lost.by_class[0] > DIFFERENCE and lost.by_class[1] > 0:
            return "withheld", "loss follows class"
        if abs(by_outcome[0]) > DIFFERENCE and (by_outcome[1] > 0 or by_outcome[2] < 0):
            return "withheld", "loss follows errors"
    repeatability = numbers.get("repeatability", NOTHING)
    repeats = np.isnan(repeatability[0]) or repeatability[1] > 0
    suffices = background[1] > 0.5 and background[0] - 0.5 >= (auc[0] - 0.5) / 2
    trained_on = TRAINED_ON.get((pipeline.split("-")[3:] or [""])[0], set())
    lung = numbers.get("lung", NOTHING)
    lung_alone = lung[1] > 0.5 and lung[0] - 0.5 >= (auc[0] - 0.5) / 2 and not background[1] > 0.5
    follows_lung, maps_count = swap[2] < 0.5, similarity[2] < 0.5
    follows_making = numbers.get("making", NOTHING)[2] < 0.5
    on, off = (maps_count and repeats and each for each in (enrichment[1] > 1, enrichment[2] < 1))
    found = {
        ("unknown", "too few patients"): patients < FEWEST_PATIENTS,
        ("unknown", "no interval"): np.isnan(auc[1]) or np.isnan(swap[1]),
        ("unknown", "not learned"): not auc[1] > 0.5,
        ("making", "making outweighs"): follows_making,
        ("elsewhere", "background decides classes"): 0 < pairs[0] < pairs[1],
        ("unknown", "both suffice"): suffices and follows_lung,
        ("elsewhere", "background suffices"): suffices,
        ("elsewhere", "background outweighs"): swap[1] > 0.5,
        ("unknown", "maps not repeatable"): not repeats,
        ("unknown", "maps contradict"): follows_lung and off,
        ("unknown", "making after training"): follows_lung and follows_making,
        ("lung", "lung outweighs"): follows_lung,
        ("lung", "lung suffices"): "swap" in trained_on and lung_alone,
        ("elsewhere", "maps elsewhere"): off,
        ("unknown", "maps on the lung alone"): on,
        ("unknown", "maps do not count"): not maps_count,
        ("unknown", "no map"): np.isnan(enrichment[1]),
        ("chance", "no preference"): True,
        ("unknown", "instruments seen"): True,
    }
    return next(rule for rule, holds in found.items() if holds and not RESTS_ON.get(rule[1], set()) & trained_on)


def verdict_rows(run: Run) -> Iterator[Expected]:
    """Compute report/verdicts.tsv."""
    of_pairs = {model: list(_pairs_of(run, model)) if len(run.classes) > 2 else [] for model in run.models()}
    for model in run.models():
        rows = {tuple(key.values()): values for key, values in rows_of_model(run, model)}

        def ends(*key: str, rows: Mapping[tuple[Value, ...], Mapping[str, Value]] = rows) -> Ends:
            return _ends(rows[key], "value") if key in rows else NOTHING

        table = explained(run, model)
        enrichment = mean_of_rows(
            "enrichment", table["enrichment"].to_numpy(float), Patients(table["patient"]), run.drawing
        )
        numbers = {name: ends("intervention", change, "roc_auc", "patient") for name, change in OF_PAIR.items()}
        numbers["enrichment"] = _ends(enrichment, "enrichment")
        numbers["similarity"] = ends("randomisation", "all", "rank_correlation", "slice")
        kinds = telling_kinds(run, run.trained_on(model.stage))
        counterfactual = {kind: ends(TEST, kind, "auc_counterfactual", "patient") for kind in kinds}
        numbers["making"] = counterfactual.get(followed_kind(kinds, counterfactual) or "", NOTHING)
        if (replicates := repeatability_of(run, model)) is not None:
            numbers["repeatability"] = replicates
        elif "repeatability" in run.crate.table("report/verdicts.tsv"):
            numbers["repeatability"] = NOTHING  # without replicates nobody knows it
        split = run.crate.table(f"splits/{run.trained_on(model.stage)}/whole.tsv", SPLIT_COLUMNS)
        lost = lost_slices(table, test_rows(split), run.drawing)
        patients = int(rows["intervention", INTACT, "roc_auc", "patient"]["n"])
        by_background = [row for row in of_pairs[model] if row.values["verdict"] == WORDS["elsewhere"]]
        lung = {"lung": ends("intervention", "lung_only_mean", "roc_auc", "patient")}
        counted = (len(by_background), len(of_pairs[model]))
        conclusion, rule = conclude(numbers | lung, patients, lost, counted, model.pipeline)
        shown = numbers | {"lost_by_class": lost.by_class, "lost_by_outcome": lost.by_outcome}
        yield Expected(
            {"pipeline": model.pipeline, "stage": model.stage},
            {
                **{"verdict": WORDS[conclusion], "rule": rule, "patients": patients},
                **_columns(shown),
                "maps_pass": int(numbers["similarity"][2] < 0.5),
                **{"slices": lost.slices, "slices_left_out": lost.lost, "left_out_of_classes": lost.words},
            },
        )


def repeatability_of(run: Run, model: Model) -> Ends | None:
    """Read how far the maps of a model's replicates are more alike than chance; None where there are no replicates.

    The number follows from maps, which are not in the package, so it is taken as it stands.
    """
    name = "report/replicates.tsv"
    if name not in run.crate.names("report/"):
        return None
    ends = ("value", "value_lo", "value_hi")
    table = run.crate.table(name, ["pipeline", "stage", "metric", *ends])
    rows = table[
        (table["pipeline"] == model.pipeline)
        & (table["stage"].astype(str) == str(model.stage))
        & (table["metric"] == ABOVE_RANDOM)
    ]
    if rows.empty:
        return NOTHING
    value, low, high = (float(as_numbers(rows[end], name, end).iloc[0]) for end in ends)
    return value, low, high


def _columns(numbers: Mapping[str, Ends]) -> dict[str, float]:
    return {
        f"{name}{end}": value
        for name, values in numbers.items()
        for end, value in zip(("", "_lo", "_hi"), values, strict=True)
    }


def lost_slices(table: pd.DataFrame, test: pd.DataFrame, drawing: Drawing) -> Lost:
    """Count the slices that are left out, those that the model never saw among them.

    Parameters
    ----------
    table
        saliency.tsv of the model.
    test
        The test slices of the common split, that of whole slices.
    drawing
        Of the intervals.
    """
    unseen = test[~test["slice"].isin(table["slice"])].assign(outcome="", reason=REJECTED)
    columns = ["patient", "label", "outcome", "reason"]
    slices = pd.concat([table[columns], unseen[columns]], ignore_index=True)
    slices["lost"] = slices["reason"].isin(NO_MASK).astype(float)
    people = slices.groupby(["label", "patient"], sort=False)["lost"].mean().reset_index()
    labels = list(dict.fromkeys(slices["label"]))
    shares = {label: float(people.loc[people["label"] == label, "lost"].mean()) for label in labels}
    left = {label: int((people.loc[people["label"] == label, "lost"] < 1).sum()) for label in labels}
    of_label = slices.groupby("label", sort=False)["lost"]
    words = ", ".join(f"{int(of_label.sum()[label])} of {of_label.size()[label]} {label}" for label in labels)
    by_class = by_outcome = (0.0, 0.0, 0.0)
    if slices["lost"].any():
        by_class = by_outcome = NOTHING
        if len(labels) > 1:
            groups = [people["label"] == pick(labels, key=lambda label: shares[label]) for pick in (max, min)]
            by_class = _difference(people, groups[0].to_numpy(), groups[1].to_numpy(), drawing)
        wrong = slices["outcome"].isin(WRONG).to_numpy()
        enough = min(slices.loc[each, "patient"].nunique() for each in (wrong, ~wrong)) >= OF_OUTCOME
        if enough and (slices["outcome"] != "").all():
            by_outcome = _difference(slices, wrong, ~wrong, drawing)
    fewest, largest = min(left.values(), default=0), max(shares.values(), default=NAN)
    return Lost(len(slices), int(slices["lost"].sum()), words, fewest, largest, by_class, by_outcome)


def _difference(rows: pd.DataFrame, first: "np.ndarray", second: "np.ndarray", drawing: Drawing) -> Ends:
    """Subtract the mean of `lost` in one group of rows from that in another, with the interval over patients."""
    patients, lost = Patients(rows["patient"]), rows["lost"].to_numpy(float)
    weights: Floats = np.concatenate([np.ones((1, patients.count)), drawing.of_rows(patients)])
    one, other = (
        quotient(weights @ patients.sums(lost * group), weights @ patients.sums(group)) for group in (first, second)
    )
    values = one - other
    return _ends(with_ends("x", float(values[0]), values[1:]), "x")


def pair_rows(run: Run) -> Iterator[Expected]:
    """Compute report/pairs.tsv."""
    for model in run.models():
        yield from _pairs_of(run, model)


def _pairs_of(run: Run, model: Model) -> Iterator[Expected]:
    """Judge each pair of classes that a model tells apart; intervals hold for all pairs of the model together."""
    found = tested(run, model)
    if found is None:
        return
    by_patient: dict[str, Ranked] = {name: found.ranked[change].by_patient() for name, change in OF_PAIR.items()}
    measured = by_patient["auc"].measured()
    level = 1 - 0.05 / max(1, len(measured))
    for place in measured:
        pair = by_patient["auc"].pairs[place]
        numbers: dict[str, Ends] = {
            name: ranked.only(place).with_interval(level) for name, ranked in by_patient.items()
        }
        evidence = numbers | {"enrichment": NOTHING, "similarity": NOTHING}
        conclusion, rule = conclude(evidence, len(pair.rows), None, (0, 0), model.pipeline)
        key: dict[str, Value] = {"pipeline": model.pipeline, "stage": model.stage}
        yield Expected(
            key | {"first": pair.first, "second": pair.second},
            {"verdict": WORDS[conclusion], "rule": rule, "patients": len(pair.rows)} | _columns(numbers),
        )
