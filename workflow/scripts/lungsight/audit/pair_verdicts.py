"""Judge how a model tells each pair of classes apart, where there are more than two: report/pairs.tsv."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from lungsight.audit.attention_differences import Model
from lungsight.audit.interventions import BACKGROUND_ONLY
from lungsight.audit.occlusion_tests import scores_of_interventions
from lungsight.audit.pairs import PairScores, pairs_of
from lungsight.audit.rows import UNMODIFIED, Estimate, interval_of_pairs
from lungsight.audit.verdict import CONCLUSIONS, Evidence, PairVerdict, decide
from lungsight.classes import present
from lungsight.evaluation.intervals import LEVEL
from lungsight.rows import PairsRow
from lungsight.tables import rows_of
from lungsight.training import remedies
from lungsight.training.pipelines import Pipeline, model_columns

# What the rules look at, by the intervention that it is measured under.
MEASURED = {"auc": UNMODIFIED, "background": f"{BACKGROUND_ONLY}_mean", "swap": f"{BACKGROUND_ONLY}_other"}
NOT_USED = Estimate()  # maps are of the whole model


def pair_rows(
    model: Model, logits: pd.DataFrame, swaps: pd.DataFrame, resamples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Make the rows of report/pairs.tsv of one model: a row for each pair of classes that have audited slices.

    Parameters
    ----------
    model
        Pipeline and stage.
    logits, swaps
        Its intervention_logits.tsv and swap_logits.tsv.
    resamples, seed
        Of the intervals.
    """
    if logits.empty:
        return
    labels = present(list(logits["class"].unique()), logits["label"])
    scores, _ = scores_of_interventions(logits, swaps, labels[0])
    by_patient = {key: scores[name].by_patient() for key, name in MEASURED.items()}
    pairs = pairs_of(list(logits["class"].unique()))
    measured = by_patient["auc"].measured
    level = 1 - (1 - LEVEL) / max(1, len(measured))
    for place in measured:
        estimates = {key: _estimate(each, place, resamples, seed, level) for key, each in by_patient.items()}
        yield _row(model, pairs[place], estimates, len(by_patient["auc"].rows_of(place)))


def _estimate(scores: PairScores, place: int, resamples: int, seed: int, level: float) -> Estimate:
    of_pair = scores.only(place)
    value, interval = interval_of_pairs(of_pair, of_pair.statistic(), resamples, seed, level)
    return Estimate(value, *interval)


def _row(model: Model, pair: tuple[str, str], estimates: dict[str, Estimate], patients: int) -> dict[str, Any]:
    pipeline = Pipeline.parse(model[0])
    auc, background, swap = (estimates[key] for key in MEASURED)
    seen = Evidence(pipeline.input_view, patients, auc, background, swap, enrichment=NOT_USED, similarity=NOT_USED)
    verdict = decide(seen._replace(trained_on=remedies.load(pipeline.remedy).instruments))
    numbers = {
        f"{key}{end}": value
        for key, estimate in estimates.items()
        for end, value in zip(("", "_lo", "_hi"), estimate, strict=True)
    }
    return {
        **model_columns(*model),
        **{"first": pair[0], "second": pair[1], "verdict": CONCLUSIONS[verdict.conclusion], "rule": verdict.rule},
        **{"patients": patients, **numbers},
    }


def verdicts_of(pairs: pd.DataFrame) -> tuple[PairVerdict, ...]:
    """Read the verdicts on the pairs of classes of one model. pairs: its rows of report/pairs.tsv."""
    key_of = {words: key for key, words in CONCLUSIONS.items()}
    return tuple(PairVerdict(row["first"], row["second"], key_of[row["verdict"]]) for row in rows_of(pairs, PairsRow))
