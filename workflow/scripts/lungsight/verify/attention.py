"""Compute report/comparisons.tsv again: where two models look that differ in one word of their name."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from lungsight.verify.areas import Pair, Ranked
from lungsight.verify.audit import tested
from lungsight.verify.compare import Expected, Value
from lungsight.verify.maps import explained
from lungsight.verify.run import Model, Run
from lungsight.verify.statistics import NAN, Drawing, Patients, quotient, with_ends

SWAP = "background_only_other"
# What is compared, the place of the word in a pipeline's name, and the two words.
WORDS = (
    ("framework", 0, "whole", "segmented"),
    ("weights", 2, "scratch", "imagenet"),
    ("weights", 2, "scratch", "simsiam"),
    ("weights", 2, "imagenet", "simsiam"),
)
KEYS = ["patient", "label"]


def comparison_rows(run: Run) -> Iterator[Expected]:
    """Compare the models of each pair on the test patients that both have."""
    models = run.models()
    swaps = {model: _swaps(run, model) for model in models}
    enrichments = {model: _enrichments(run, model) for model in models}
    for compared, place, one, other in WORDS:
        for model in models:
            words = model.pipeline.split("-")
            is_first = words[place] == one
            words[place] = other
            second = Model("-".join(words), model.stage)
            if is_first and second in models:
                key: dict[str, Value] = {"compared": compared, "stage": model.stage}
                key |= {"first_pipeline": model.pipeline, "second_pipeline": second.pipeline}
                swap = _compare_swaps(swaps[model], swaps[second], run.drawing)
                yield Expected(key | {"measure": "swap"}, swap)
                means = _compare_means(enrichments[model], enrichments[second], run.drawing)
                yield Expected(key | {"measure": "enrichment"}, means)


def _swaps(run: Run, model: Model) -> Ranked | None:
    found = tested(run, model)
    return None if found is None else found.ranked[SWAP].by_patient()


def _enrichments(run: Run, model: Model) -> pd.DataFrame:
    return explained(run, model).groupby(KEYS)["enrichment"].mean().dropna().reset_index()


def _nothing(patients: int) -> dict[str, Value]:
    names = ("first", "second", "difference", "difference_lo", "difference_hi")
    return {"patients": patients, **dict.fromkeys(names, NAN)}


def _compare_means(first: pd.DataFrame, second: pd.DataFrame, drawing: Drawing) -> dict[str, Value]:
    both = first.merge(second, on=KEYS, suffixes=("_first", "_second"))
    if both.empty:
        return _nothing(0)
    patients = Patients(both["patient"])
    weights = np.concatenate([np.ones((1, patients.count)), drawing.of_rows(patients)])
    rows = weights @ patients.sums(np.ones(len(both)))
    means = [quotient(weights @ patients.sums(both[f"enrichment_{end}"]), rows) for end in ("first", "second")]
    difference = means[1] - means[0]
    shown: dict[str, Value] = {"patients": len(both), "first": float(means[0][0]), "second": float(means[1][0])}
    return shown | with_ends("difference", float(difference[0]), difference[1:])


def _compare_swaps(first: Ranked | None, second: Ranked | None, drawing: Drawing) -> dict[str, Value]:
    """Compare the AUC with a lung of another class, over the pairs of classes that both models tell apart."""
    if first is None or second is None:
        return _nothing(0)
    scores = [_by_name(ranked) for ranked in (first, second)]
    shared = [pair for pair in scores[0] if pair in scores[1]]
    # A patient counts with a score of both models in any pair; the run sorts them by their names.
    people = sorted({who for pair in shared for who in set(scores[0][pair]) & set(scores[1][pair])})
    table = pd.DataFrame(people, columns=KEYS)
    both = [Ranked(table, [_pair_of(pair, of_model[pair], people) for pair in shared], drawing) for of_model in scores]
    if not people or not both[0].measured():
        return _nothing(len(people))
    draws = both[0].draws()
    (value, values), (other, others) = (ranked.areas(draws) for ranked in both)
    shown: dict[str, Value] = {"patients": len(people), "first": value, "second": other}
    return shown | with_ends("difference", other - value, others - values)


Named = dict[tuple[str, str], dict[tuple[str, str], float]]


def _by_name(ranked: Ranked) -> Named:
    """Give the scores of each pair of classes by patient and label."""
    people = list(ranked.table.itertuples(index=False, name=None))
    return {
        (pair.first, pair.second): {
            people[row]: float(score) for row, score in zip(pair.rows, pair.scores, strict=True)
        }
        for pair in ranked.pairs
    }


def _pair_of(names: tuple[str, str], scores: dict[tuple[str, str], float], people: list[tuple[str, str]]) -> Pair:
    held = [place for place, who in enumerate(people) if who in scores]
    return Pair(*names, np.array(held, dtype=int), np.array([scores[people[place]] for place in held]))
