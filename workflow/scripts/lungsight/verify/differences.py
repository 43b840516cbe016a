"""Compare models on the rows that both have: report/differences.tsv, and the ranking report/systems.tsv."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd

from lungsight.verify.aggregation import exact_auc
from lungsight.verify.classes import OVERALL, overall, resampled_overall
from lungsight.verify.compare import Expected
from lungsight.verify.crate import NotChecked
from lungsight.verify.run import Model, Run, of_patients, probabilities_of, test_rows, units_of
from lungsight.verify.statistics import (
    Scores,
    all_values,
    holm,
    point_values,
    resampled,
    two_sided_p,
    with_ends,
    without_interval,
)

COMPARED = ("roc_auc", "accuracy", "recall", "specificity")


class Compared(NamedTuple):
    """Two models on the test rows that both have: number of rows and patients, and the numbers of each metric."""

    rows: int
    patients: int
    metrics: dict[str, dict[str, float]]


def shared_rows(first: pd.DataFrame, second: pd.DataFrame, unit: str) -> list[pd.DataFrame]:
    """Return the test rows that two prediction tables share, in the order of the first, each with its own scores."""
    tables = [units_of(test_rows(table))[unit] for table in (first, second)]
    key = ["slice"] if unit == "slice" else ["patient", "label"]
    scored = [name for name in tables[1].columns if re.fullmatch("probability|p_[0-9]+", name)]
    joined = tables[0].merge(tables[1][[*key, *scored]], on=key, suffixes=("", " of second"))
    return [joined, joined.assign(**{name: joined[f"{name} of second"] for name in scored})]


def compared(first: pd.DataFrame, second: pd.DataFrame, unit: str, run: Run) -> Compared:
    """Compare two prediction tables under the same draws: first, second, difference, its interval and p-value."""
    tables = shared_rows(first, second, unit)
    pair = [Scores(table, run.drawing.positive) for table in tables]
    values: list[dict[str, float]] = [point_values(scores, 0.5) for scores in pair]
    draws, left_out = run.drawing.of(pair[0]), without_interval(pair[0], run.drawing)
    metrics = [metric for metric in COMPARED if metric not in left_out and len(draws)]
    samples = [resampled(scores, draws, 0.5, metrics) for scores in pair]
    if run.of_classes:
        for of_model, sample, table in zip(values, samples, tables, strict=True):
            probabilities = probabilities_of(run, table)
            of_model |= overall(run, table, probabilities)
            sample |= resampled_overall(run, table, probabilities)
    found = {}
    for metric in COMPARED + (OVERALL if run.of_classes else ()):
        one, other = (of_model[metric] for of_model in values)
        is_drawn = metric in samples[0]
        differences = samples[1][metric] - samples[0][metric] if is_drawn else np.array([])
        found[metric] = {"first": one, "second": other} | with_ends("difference", other - one, differences)
        found[metric]["p"] = two_sided_p(differences)
    return Compared(len(tables[0]), pair[0].patients, found)


def difference_rows(run: Run) -> Iterator[Expected]:
    """Compute the rows that report/differences.tsv has, of the pairs that it names."""
    names = (
        "comparison",
        "first_pipeline",
        "first_stage",
        "second_pipeline",
        "second_stage",
        "cohort",
        "unit",
        "metric",
    )
    table, known = run.crate.table("report/differences.tsv", names), {}
    families: dict[tuple[str, ...], list[Expected]] = {}
    for row in table.to_dict("records"):
        pair = tuple(Model(row[f"{which}_pipeline"], row[f"{which}_stage"]) for which in ("first", "second"))
        place = (*pair, row["cohort"], row["unit"])
        if place not in known:
            tables = [run.predictions.get((model, row["cohort"])) for model in pair]
            if tables[0] is None or tables[1] is None:
                raise NotChecked(
                    f"report/differences.tsv compares {pair[0].folder} with {pair[1].folder} on"
                    f" {row['cohort']}, and a prediction table of them is missing."
                )
            known[place] = compared(tables[0], tables[1], row["unit"], run)
        if row["metric"] not in known[place].metrics:
            continue  # then nothing in the package gives this row
        numbers_of = {"n": known[place].rows, "n_patients": known[place].patients} | known[place].metrics[row["metric"]]
        expected = Expected({name: row[name] for name in names}, numbers_of)
        families.setdefault((row["comparison"], row["cohort"], row["unit"], row["metric"]), []).append(expected)
    for members in families.values():
        corrected = holm([float(member.values["p"]) for member in members])
        yield from (
            Expected(member.key, {**member.values, "p_holm": p}) for member, p in zip(members, corrected, strict=True)
        )


def system_rows(run: Run) -> Iterator[Expected]:
    """Compute what follows from predictions in report/systems.tsv: ranks, metrics, differences to the first."""
    for stage in sorted({model.stage for model, _, _ in run.evaluated()}):
        cohort = run.trained_on(stage)
        tables = {model.pipeline: table for model, on, table in run.evaluated() if (model.stage, on) == (stage, cohort)}
        metrics = {name: all_values(of_patients(test_rows(table)), run.drawing) for name, table in tables.items()}
        packaged = run.crate.table("report/systems.tsv", ["stage", "pipeline"])
        order = [name for name in packaged.loc[packaged["stage"] == stage, "pipeline"] if name in tables]
        aucs = [exact_auc(of_patients(test_rows(tables[name])), run.drawing.positive) for name in order]
        others = {name: compared(tables[order[0]], tables[name], "patient", run) for name in order[1:]}
        p_holm = dict(zip(others, holm([of.metrics["roc_auc"]["p"] for of in others.values()]), strict=True))
        for name, auc in zip(order, aucs, strict=True):
            better = sum(other > auc for other in aucs)
            shown = (
                "n",
                "roc_auc",
                "roc_auc_lo",
                "roc_auc_hi",
                "accuracy",
                "accuracy_lo",
                "accuracy_hi",
                "brier",
                "ece",
            )
            values = {column: metrics[name][column] for column in shown} | {"rank": better + 1}
            if name in others:
                auc_of_both = others[name].metrics["roc_auc"]
                values |= {
                    column: auc_of_both[column] for column in ("difference", "difference_lo", "difference_hi", "p")
                }
                values["p_holm"] = p_holm[name]
            yield Expected({"stage": stage, "cohort": cohort, "pipeline": name}, values)
