"""The part of the page about lesions, where masks of them were given: how much of the maps lies on them."""

from typing import Any

import pandas as pd

from lungsight.explain.saliency_metrics import IN_LUNG
from lungsight.intake.cohort_table import LESION_LEFT_OUT
from lungsight.report.components import Cell, PageTable, text, whole
from lungsight.report.model_tables import display_name, measured
from lungsight.report.results import Model, RunResults
from lungsight.report.statements import Statement
from lungsight.wording import MISSING, count, listed

CHANCE = 1.0  # of an enrichment
RIGHTLY_POSITIVE = "TP"
ENRICHMENT = "lesion_enrichment"
COLUMNS = {
    "lesion_mass": ("Lesion mass", "share of the map's sum on the lesions"),
    "lesion_mass_reference": (
        "Reference",
        "lesion mass of a map of the lesions themselves, at the map's resolution",
    ),
    ENRICHMENT: ("Enrichment", "lesion mass over the lesions' share of the image; 1 is chance"),
    IN_LUNG: ("In the lung", "the same with the lung for the image; 1: lesions are marked no more than other lung"),
    "lesion_pointing": ("Pointing", "share of slices whose hottest pixel lies on a lesion"),
}


def section(results: RunResults) -> dict[str, Any] | None:
    """Sentences and table; None where no test slice is known to show a lesion and no lesion mask was left out."""
    found, warnings = on_lesions(results), left_out(results)
    if not found and not warnings:
        return None
    return {"sentences": [*sentences(results, found), *warnings], "table": lesion_table(results, found)}


def on_lesions(results: RunResults) -> dict[Model, dict[str, pd.Series]]:
    """By model and outcome the means of Grad-CAM over test slices that show a lesion; models without such left out."""
    outcomes = {model: summary["methods"][0]["lesions"]["outcomes"] for model, summary in results.summaries.items()}
    return {
        model: {row["outcome"]: pd.Series(row).fillna(float("nan")) for row in rows}
        for model, rows in outcomes.items()
        if rows
    }


def _against_chance(row: pd.Series, metric: str) -> Cell:
    """An enrichment, with a tone where its whole interval lies on one side of chance."""
    (cell,) = measured(row, [metric])
    low, high = row[f"{metric}_lo"], row[f"{metric}_hi"]
    return cell._replace(tone="good" if low > CHANCE else "bad" if high < CHANCE else "")


def lesion_table(results: RunResults, found: dict[Model, dict[str, pd.Series]]) -> PageTable:
    """Grad-CAM of each model against the lesions, on the test slices that show some."""
    rows = []
    for (pipeline, stage), outcomes in found.items():
        overall, positive = outcomes["all"], outcomes.get(RIGHTLY_POSITIVE)
        slices = whole(overall["n"])._replace(note=count(int(overall["n_patients"]), "patient"))
        cells = dict(zip(COLUMNS, measured(overall, COLUMNS), strict=True))
        cells |= {metric: _against_chance(overall, metric) for metric in (ENRICHMENT, IN_LUNG)}
        of_positive = [Cell(MISSING)] * 2
        if positive is not None:
            of_positive = [_against_chance(positive, metric) for metric in (ENRICHMENT, IN_LUNG)]
        rows.append([text(display_name(results, pipeline)), whole(stage), slices, *cells.values(), *of_positive])
    headings = [("Pipeline", ""), ("Stage", ""), ("Slices", "test slices that show a lesion"), *COLUMNS.values()]
    headings += [
        (f"{title}, TP", "slices that the model rightly calls positive") for title in ("Enrichment", "In the lung")
    ]
    caption = "Grad-CAM against the lesions; below each number its 95 % interval over patients"
    return PageTable("lesions", caption, headings, rows, frozenset({1, *range(2, 5 + len(COLUMNS))}))


def sentences(results: RunResults, found: dict[Model, dict[str, pd.Series]]) -> list[Statement]:
    """Whether the maps lie on the lesions more than chance has it, and more than on the rest of the lung."""
    if not found:
        return []
    said = []
    for metric, than in ((ENRICHMENT, "chance has it"), (IN_LUNG, "on the rest of the lung")):
        above = [model for model, outcomes in found.items() if outcomes["all"][f"{metric}_lo"] > CHANCE]
        names = [f"{display_name(results, pipeline)} stage {stage}" for pipeline, stage in above]
        named = f": {listed(names)}" if 0 < len(above) < len(found) else ""
        tone = "good" if len(above) == len(found) else "plain" if above else "warn"
        models = count(len(found), "model")
        said.append(
            Statement(tone, f"In {len(above)} of {models} the maps lie on the lesions more than {than}{named}.")
        )
    return said


def left_out(results: RunResults) -> list[Statement]:
    """Lesion masks that could not be used, by cohort."""
    bad = {
        name: int(cases["reason"].str.contains(LESION_LEFT_OUT, regex=False).sum())
        for name, cases in results.cases.items()
    }
    named = [f"{name} ({n})" for name, n in bad.items() if n]
    if not named:
        return []
    log = (
        f"Lesion masks that could not be used were left out: {listed(named)}. The cases' reasons in cases.tsv say why."
    )
    return [Statement("warn", log)]
