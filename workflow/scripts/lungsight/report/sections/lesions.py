"""Grad-CAM against the lesions, where the cohorts' tables name masks of them: summary.json."""

from typing import Any

import pandas as pd

from lungsight.explain.saliency_metrics import IN_LUNG
from lungsight.explain.summary import RIGHT
from lungsight.intake.cohort_table import LESION_LEFT_OUT
from lungsight.report.components import PageTable, Statement, against_chance, estimates, missing, model_cells, whole
from lungsight.report.headings import MODEL
from lungsight.report.results import Model, RunResults
from lungsight.report.sections.saliency import CHANCE
from lungsight.wording import count, listed

# Outcome → means over its test slices that show a lesion.
Means = dict[str, pd.Series]

RIGHTLY_POSITIVE = "TP"
ENRICHMENT = "lesion_enrichment"
COLUMNS = {
    "lesion_mass": ("Lesion mass", "share of the map's sum on the lesions"),
    "lesion_mass_reference": (
        "Reference",
        "lesion mass of a map of the lesions themselves, at the map's resolution",
    ),
    ENRICHMENT: ("Enrichment", "lesion mass over the lesions' share of the image; 1 is chance"),
    IN_LUNG: ("In the lung", "the same within the lung; 1: lesions are marked no more than the rest of the lung"),
    "lesion_pointing": ("Pointing", "share of slices whose hottest pixel lies on a lesion"),
}


def section(results: RunResults) -> dict[str, Any] | None:
    """Give statements and table; None where no test slice shows a lesion and no lesion mask was left out."""
    means, warnings = lesion_means(results), masks_left_out(results)
    if not means and not warnings:
        return None
    statements = [*lesion_statements(results, means), *warnings]
    return {"statements": statements, "lesions": lesion_table(results, means), "many": results.many_classes}


def lesion_means(results: RunResults) -> dict[Model, Means]:
    """Read the means of Grad-CAM over test slices that show a lesion. Models without such slices are left out."""
    outcomes = {model: summary["methods"][0]["lesions"]["outcomes"] for model, summary in results.summaries.items()}
    return {
        model: {row["outcome"]: pd.Series(row).fillna(float("nan")) for row in rows}
        for model, rows in outcomes.items()
        if rows
    }


def lesion_table(results: RunResults, means: dict[Model, Means]) -> PageTable:
    """Show each model's maps against the lesions, on the test slices that show some."""
    rows = []
    for model, outcomes in means.items():
        overall, positive = outcomes["all"], outcomes.get(RIGHT if results.many_classes else RIGHTLY_POSITIVE)
        slices = whole(overall["n"])._replace(note=count(int(overall["n_patients"]), "patient"))
        cells = dict(zip(COLUMNS, estimates(overall, COLUMNS), strict=True))
        cells |= {metric: against_chance(overall, metric, CHANCE) for metric in (ENRICHMENT, IN_LUNG)}
        of_positive = [
            missing() if positive is None else against_chance(positive, metric, CHANCE)
            for metric in (ENRICHMENT, IN_LUNG)
        ]
        rows.append([*model_cells(results, *model), slices, *cells.values(), *of_positive])
    headings = [*MODEL, ("Slices", "test slices that show a lesion"), *COLUMNS.values()]
    rightly = ("TP", "slices that the model rightly calls positive")
    if results.many_classes:
        rightly = (RIGHT, "slices whose class the model predicts rightly")
    headings += [(f"{title}, {rightly[0]}", rightly[1]) for title in ("Enrichment", "In the lung")]
    caption = "Grad-CAM against the lesions; below each number its 95 % interval over patients"
    return PageTable("lesions", caption, headings, rows)


def lesion_statements(results: RunResults, means: dict[Model, Means]) -> list[Statement]:
    """Count the models whose maps lie on the lesions more than by chance, and more than on the rest of the lung."""
    if not means:
        return []
    statements = []
    for metric, than in ((ENRICHMENT, "by chance"), (IN_LUNG, "on the rest of the lung")):
        above = [model for model, outcomes in means.items() if outcomes["all"][f"{metric}_lo"] > CHANCE]
        named = f": {listed([results.model_name(model) for model in above])}" if 0 < len(above) < len(means) else ""
        tone = "good" if len(above) == len(means) else "plain" if above else "warn"
        models = count(len(means), "model")
        sentence = f"In {len(above)} of {models} the maps lie on the lesions more than {than}{named}."
        statements.append(Statement(tone, sentence))
    return statements


def masks_left_out(results: RunResults) -> list[Statement]:
    """Count the lesion masks that could not be used, by cohort."""
    counts = {
        name: int(cases["reason"].str.contains(LESION_LEFT_OUT, regex=False).sum())
        for name, cases in results.cases.items()
    }
    named = [f"{name} ({n})" for name, n in counts.items() if n]
    if not named:
        return []
    sentence = f"Lesion masks that could not be used were left out: {listed(named)}. The reasons are in cases.tsv."
    return [Statement("warn", sentence)]
