"""The audit in plain sentences, one for each instrument, each decided by intervals over patients."""

import pandas as pd

from lungsight.audit.interventions import BACKGROUND_ONLY
from lungsight.audit.metadata_classifier import HOLDS_LUNG
from lungsight.audit.rows import AUC_CHANCE, UNMODIFIED
from lungsight.report.model_tables import display_name
from lungsight.report.results import RunResults
from lungsight.report.statements import Statement
from lungsight.wording import count, listed, with_interval

# What is left of a slice, and whether a model ought to find the class in it.
LEFT = {
    f"{BACKGROUND_ONLY}_mean": ("slices without lung tissue", False),
    "silhouette": ("the outline of the lung", False),
    "border_only": ("a frame along the edge", False),
    "central_crop": ("the middle of the slice", True),
    "lung_only_mean": ("the lung on a flat grey", True),
    "low_pass": ("slices without fine texture", True),
}


def _model_name(results: RunResults, row: pd.Series) -> str:
    return f"{display_name(results, row['pipeline'])} stage {row['stage']:.0f}"


def _intervention_sentence(results: RunResults, rows: pd.DataFrame, learned: set, variant: str) -> Statement | None:
    left, expected = LEFT[variant]
    rows = rows[rows["variant"] == variant]
    here = rows[[model in learned for model in _models(rows)]]
    if here.empty:
        return None
    able = here[here["value_lo"] > AUC_CHANCE]
    some = 0 < len(able) < len(here)
    named = f": {listed([_model_name(results, row) for _, row in able.iterrows()])}" if some else ""
    tone = "plain" if expected else "warn" if len(able) else "good"
    text = (
        f"{len(able)} of the {count(len(here), 'model')} that learned still tell the patients apart by {left}{named}."
    )
    return Statement(tone, text)


def _models(rows: pd.DataFrame) -> list[tuple[str, float]]:
    return list(zip(rows["pipeline"], rows["stage"], strict=True))


def occlusion_sentences(results: RunResults) -> list[Statement]:
    """For each intervention of LEFT, how many of the models that beat chance still do so by what it leaves."""
    rows = results.audit.query("test == 'intervention' and measure == 'roc_auc' and unit == 'patient'")
    intact = rows[(rows["variant"] == UNMODIFIED) & (rows["value_lo"] > AUC_CHANCE)]
    learned = set(_models(intact))
    if not learned:
        return [Statement("plain", "No model is shown to beat chance; what it still answers with less says nothing.")]
    found = [_intervention_sentence(results, rows, learned, variant) for variant in LEFT]
    return [sentence for sentence in found if sentence]


def source_sentences(results: RunResults) -> list[Statement]:
    """Whether networks know where a slice comes from."""
    rows = results.audit.query("test == 'source_from_features'")
    measured = rows[rows["value"].notna()]
    if measured.empty:
        reasons = listed(list(dict.fromkeys(rows["reason"])))
        return [Statement("plain", f"Whether the networks know the source could not be measured: {reasons}.")]
    knowing = measured[measured["value_lo"] > measured["chance"]]
    named = f": {listed([_model_name(results, row) for _, row in knowing.iterrows()])}" if len(knowing) else ""
    return [
        Statement(
            "warn" if len(knowing) else "good",
            f"In {len(knowing)} of {count(len(measured), 'model')} with several sources the last hidden layer tells the"
            f" source of a new patient better than chance{named}.",
        )
    ]


def metadata_sentences(results: RunResults) -> list[Statement]:
    """Which facts besides the lung tell the class."""
    rows = results.audit.query("test == 'metadata' and unit == 'patient' and reason == ''")
    rows = rows[~rows["variant"].isin(HOLDS_LUNG)]
    telling = rows[rows["value_lo"] > AUC_CHANCE]
    if telling.empty:
        return [Statement("good", "No metadata are shown to tell the classes of the test patients apart.")]
    shown = [
        f"{row['variant']} in {row['cohort']}, {row['framework']} (AUC {with_interval(row, 'value')})"
        for _, row in telling.iterrows()
    ]
    return [Statement("warn", f"The classes can be told apart without the lung, by {listed(shown)}.")]
