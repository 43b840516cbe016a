"""What every remedy does to its pipeline: report/remedies.tsv.

A row stands for the last stage of a pipeline, in six measures on test patients, each also as the difference to the same
pipeline without a remedy, on the patients that both have, with its interval.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lungsight.audit.attention_differences import ENRICHMENT, compare, patients_of, statistic_of
from lungsight.audit.interventions import BACKGROUND_ONLY
from lungsight.audit.occlusion_tests import scores_of_interventions
from lungsight.audit.rows import clustered_interval
from lungsight.evaluation.aggregation import patient_level
from lungsight.evaluation.metrics import select_test_rows
from lungsight.layout import HISTORY, INTERVENTION_LOGITS, SALIENCY, SWAP_LOGITS, VERDICTS, predictions_file
from lungsight.run_description import RunDescription, cohort_of_stage, cohorts_of, models_of
from lungsight.tables import columns_of, read_table
from lungsight.training.pipelines import Pipeline

HOME, BEFORE, EXTERNAL, BACKGROUND, SWAP = "home", "before", "external", "background", "swap"
MEASURES = (HOME, BEFORE, EXTERNAL, BACKGROUND, SWAP, ENRICHMENT)
FLAT = f"{BACKGROUND_ONLY}_mean"
KEYS = ["patient", "label"]


class RemediedModel(NamedTuple):
    """What is compared of a pipeline.

    Attributes
    ----------
    measures
        Measure → a table with a row per test patient and label, as `attention_differences.patients_of` has it: a column
        of the measure's name, or one for each pair of classes.
    verdict, rule
        Of its last stage.
    seconds
        Of the epochs of all its stages.
    """

    measures: Mapping[str, pd.DataFrame]
    verdict: str
    rule: str
    seconds: float


def without_remedy(pipeline: str) -> str:
    """Name the same pipeline without a remedy."""
    return Pipeline.parse(pipeline)._replace(remedy="").name


def remedy_rows(
    models: Mapping[str, RemediedModel], stage: int, positive: str, resamples: int, seed: int
) -> Iterator[dict[str, Any]]:
    """Make the rows of report/remedies.tsv: of every pipeline with a remedy, and of those that they are compared with.

    Parameters
    ----------
    models
        By pipeline, in the config's order.
    stage
        The last one.
    positive
        Label of the positive class.
    resamples, seed
        Of the intervals.
    """
    remedied = {without_remedy(name) for name in models if Pipeline.parse(name).remedy}
    for name, model in models.items():
        base, remedy = without_remedy(name), Pipeline.parse(name).remedy
        if base not in remedied:
            continue
        other = models.get(base) if remedy else None
        numbers: dict[str, Any] = {}
        for measure in MEASURES:
            table = model.measures.get(measure, pd.DataFrame(columns=[*KEYS, measure]))
            numbers |= _value(table, measure, positive, resamples, seed)
            numbers |= _difference(other, table, measure, positive, resamples, seed)
        yield {
            **{"pipeline": name, "remedy": remedy or "none", "compared_with": base if other else "", "stage": stage},
            **{"verdict": model.verdict, "rule": model.rule, **numbers, "training_seconds": model.seconds},
            "training_ratio": model.seconds / other.seconds if other and other.seconds else np.nan,
        }


def _value(table: pd.DataFrame, measure: str, positive: str, resamples: int, seed: int) -> dict[str, float]:
    held = table.dropna(subset=[name for name in table if name not in KEYS], how="all")
    columns = [name for name in table if name not in KEYS]
    statistic = None if held.empty else statistic_of(held[KEYS], held[columns], positive)
    if statistic is None:
        return {f"{measure}{end}": np.nan for end in ("", "_lo", "_hi")}
    value, interval = clustered_interval(statistic, held["patient"], resamples, seed)
    return dict(zip((measure, f"{measure}_lo", f"{measure}_hi"), (value, *interval), strict=True))


def _difference(
    other: RemediedModel | None, table: pd.DataFrame, measure: str, positive: str, resamples: int, seed: int
) -> dict[str, float]:
    names = [f"{measure}_difference{end}" for end in ("", "_lo", "_hi")]
    if other is None or measure not in other.measures or table.empty:
        return dict.fromkeys(names, np.nan)
    found = compare(other.measures[measure], table, measure, positive, resamples, seed)
    return dict(zip(names, (found["difference"], found["difference_lo"], found["difference_hi"]), strict=True))


def _scores(files: list[Path], measure: str) -> pd.DataFrame:
    """Score the test patients of prediction tables; those of several cohorts are named apart by the cohort."""
    parts = [
        patient_level(select_test_rows(read_table(file, schema="predictions"))).assign(
            patient=lambda table, cohort=file.stem: cohort + " " + table["patient"]
        )
        for file in files
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"probability": measure})[[*KEYS, measure]]


def _background(logits: pd.DataFrame, swaps: pd.DataFrame | None, positive: str) -> pd.DataFrame:
    """Score the test patients without lung tissue."""
    if logits.empty:
        return pd.DataFrame(columns=[*KEYS, BACKGROUND])
    scores = scores_of_interventions(logits, swaps, positive)[0][FLAT].by_patient()
    names = [BACKGROUND] if swaps is None else [f"{BACKGROUND}\t{first}\t{n}" for n, first in enumerate(scores.firsts)]
    return pd.concat([scores.table, pd.DataFrame(scores.values, columns=names)], axis=1)


def read_remedied(results: Path, run: RunDescription, name: str, verdicts: pd.DataFrame) -> RemediedModel:
    """Read what is compared of a pipeline. verdicts: report/verdicts.tsv."""
    stage, many = max(run["stages"]), len(run["labels"]) > 2
    of_stage: Callable[[int], Path] = lambda number: results / f"models/{name}/stage{number}"  # noqa: E731
    explained = results / f"explain/{name}/stage{stage}"
    logits = read_table(explained / INTERVENTION_LOGITS, schema="intervention_logits")
    swaps = read_table(explained / SWAP_LOGITS, schema="swap_logits") if many else None
    looks = patients_of(logits, read_table(explained / SALIENCY, schema="saliency"), swaps)
    home, external = cohort_of_stage(run, stage), cohorts_of(run, "external")
    measures = {
        HOME: _scores([predictions_file(of_stage(stage), home)], HOME),
        BACKGROUND: _background(logits, swaps, run["labels"][0]),
        SWAP: looks[[*KEYS, *(column for column in map(str, looks.columns) if column.split("\t")[0] == SWAP)]],
        ENRICHMENT: looks[[*KEYS, ENRICHMENT]],
    }
    if stage == 2:
        measures[BEFORE] = _scores([predictions_file(of_stage(1), home)], BEFORE)
    if external:
        measures[EXTERNAL] = _scores([predictions_file(of_stage(stage), cohort) for cohort in external], EXTERNAL)
    histories = [read_table(of_stage(number) / HISTORY, schema="history") for number in run["stages"]]
    verdict = verdicts[(verdicts["pipeline"] == name) & (verdicts["stage"] == stage)].iloc[0]
    seconds = float(sum(history["seconds"].sum() for history in histories))
    return RemediedModel(measures, verdict["verdict"], verdict["rule"], seconds)


def read_remedies(results: Path, run: RunDescription) -> pd.DataFrame:
    """Make report/remedies.tsv of a run. results: its folder."""
    verdicts = read_table(results / VERDICTS, schema="verdicts")
    names = list(dict.fromkeys(name for name, _ in models_of(run)))
    models = {name: read_remedied(results, run, name, verdicts) for name in names}
    rows = remedy_rows(models, max(run["stages"]), run["labels"][0], run["bootstrap"], run["seed"])
    return pd.DataFrame(list(rows), columns=columns_of("remedies"))
