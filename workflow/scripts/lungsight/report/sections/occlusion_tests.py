"""Occlusion tests: what models predict when a part of each test slice is replaced: report/audit.tsv."""

from typing import Any

import pandas as pd

from lungsight.audit.interventions import BACKGROUND_ONLY, INTERVENTIONS
from lungsight.audit.rows import AUC_CHANCE, UNMODIFIED, Estimate
from lungsight.audit.verdict import SUFFICES
from lungsight.report.components import (
    Cell,
    PageTable,
    Row,
    Statement,
    audit_estimate,
    decimal,
    missing,
    model_cells,
    text,
)
from lungsight.report.headings import MODEL
from lungsight.report.results import Model, RunResults
from lungsight.wording import count, listed

HEADINGS = {
    UNMODIFIED: ("As they are", "the test slices without a change"),
    "background_only_mean": ("Lung grey", "the lung is a flat grey"),
    "background_only_blur": ("Lung blurred", ""),
    "background_only_other": (
        "Lung swapped",
        "the lung is one of another class: below 0.5 the predictions follow it",
    ),
    "lung_only_mean": ("Rest grey", "everything but the lung is a flat grey"),
    "lung_only_blur": ("Rest blurred", ""),
    "lung_only_other": (
        "Rest swapped",
        "everything but the lung is of another class: above 0.5 the predictions follow the lung",
    ),
    "silhouette": ("Outline", "only the outline of the lung"),
    "border_only": ("Border", "a frame along the edge"),
    "central_crop": ("Centre", "a central square"),
    "low_pass": ("Coarse", "without fine texture"),
}
# Intervention → what is left of a slice, and whether a model ought to find the class in it.
LEFT = {
    f"{BACKGROUND_ONLY}_mean": ("slices without lung tissue", False),
    "silhouette": ("the outline of the lung", False),
    "border_only": ("a frame along the edge", False),
    "central_crop": ("the middle of the slice", True),
    "lung_only_mean": ("the lung on a flat grey", True),
    "low_pass": ("slices without fine texture", True),
}


def section(results: RunResults) -> dict[str, Any]:
    """Give sentences and tables."""
    return {
        "statements": [*occlusion_statements(results), *source_statements(results)],
        "suffices": f"{100 * SUFFICES:.0f} %",
        "aucs": occlusion_table(results),
        "reliance": reliance_table(results),
    }


def models_in(rows: pd.DataFrame) -> list[Model]:
    """List pipeline and stage of each row of the audit."""
    return [(str(name), int(stage)) for name, stage in zip(rows["pipeline"], rows["stage"], strict=True)]


def occlusion_statements(results: RunResults) -> list[Statement]:
    """Count for each intervention of LEFT how many of the models that beat chance still do so."""
    rows = results.audit_of_models("intervention", "roc_auc", "patient")
    learned = set(models_in(rows[(rows["variant"] == UNMODIFIED) & (rows["value_lo"] > AUC_CHANCE)]))
    if not learned:
        sentence = "No model is shown to beat chance; what it predicts from a part of the slice says nothing."
        return [Statement("plain", sentence)]
    rows = rows[[model in learned for model in models_in(rows)]]
    variants = [variant for variant in LEFT if (rows["variant"] == variant).any()]
    return [_left_statement(results, rows[rows["variant"] == variant], variant) for variant in variants]


def _left_statement(results: RunResults, rows: pd.DataFrame, variant: str) -> Statement:
    left, expected = LEFT[variant]
    able = models_in(rows[rows["value_lo"] > AUC_CHANCE])
    named = f": {listed([results.model_name(model) for model in able])}" if 0 < len(able) < len(rows) else ""
    tone = "plain" if expected else "warn" if able else "good"
    sentence = f"{len(able)} of the {count(len(rows), 'model')} that learned still tell the patients apart by {left}"
    return Statement(tone, f"{sentence}{named}.")


def source_statements(results: RunResults) -> list[Statement]:
    """Count the models whose last hidden layer knows the source of a slice."""
    rows = results.audit[results.audit["test"] == "source_from_features"]
    measured = rows[rows["value"].notna()]
    if measured.empty:
        reasons = listed(list(dict.fromkeys(rows["reason"])))
        return [Statement("plain", f"Whether the networks know the source could not be measured: {reasons}.")]
    knowing = models_in(measured[measured["value_lo"] > measured["chance"]])
    named = f": {listed([results.model_name(model) for model in knowing])}" if knowing else ""
    return [
        Statement(
            "warn" if knowing else "good",
            f"In {len(knowing)} of {count(len(measured), 'model')} with several sources the last hidden layer tells the"
            f" source of a new patient better than chance{named}.",
        )
    ]


def occlusion_table(results: RunResults) -> PageTable:
    """Show the AUC by patient of every model under every intervention."""
    variants = (UNMODIFIED, *INTERVENTIONS)
    rows = [
        [
            *model_cells(results, *model),
            *(_coloured(of_model.loc[name]) if name in of_model.index else missing() for name in variants),
        ]
        for model, of_model in results.audit_by_model("intervention", "roc_auc", "patient").items()
    ]
    headings = [*MODEL, *(HEADINGS[name] for name in variants)]
    caption = "Occlusion tests: AUC by patient when a part of each test slice is replaced"
    return PageTable("occlusion", caption, headings, rows)


def _coloured(row: Row) -> Cell:
    """Show a number, coloured where its whole interval lies on one side of chance."""
    auc = Estimate(row["value"], row["value_lo"], row["value_hi"])
    tone = "above" if auc.above(AUC_CHANCE) else "below" if auc.below(AUC_CHANCE) else ""
    return audit_estimate(row)._replace(tone=tone)


def reliance_table(results: RunResults) -> PageTable:
    """Show the lung reliance with each fill, and what the last hidden layer knows of the source."""
    sources = results.audit_by_model("source_from_features", "balanced_accuracy", "slice")
    rows = [
        [
            *model_cells(results, *model),
            *(audit_estimate(of_model.loc[fill]) for fill in of_model.index),
            *_source_cells(sources[model].iloc[0]),
        ]
        for model, of_model in results.audit_by_model("lung_reliance", "index", "slice").items()
    ]
    headings = [
        *MODEL,
        *(
            (f"Lung reliance, {fill}", "share of the prediction's change that is due to the lung")
            for fill in ("grey", "blur")
        ),
        ("Lung reliance, other patient", "both parts replaced by those of a patient of another class"),
        ("Source from features", "balanced accuracy of a linear classifier on the last hidden layer"),
        ("By chance", ""),
    ]
    caption = (
        "How much of the prediction rests on the lung (1: all, 0: nothing), and whether the network knows the source"
    )
    return PageTable("reliance", caption, headings, rows)


def _source_cells(row: Row) -> list[Cell]:
    if row["reason"]:
        return [text(row["reason"]), missing()]
    return [audit_estimate(row), decimal(row["chance"])]
