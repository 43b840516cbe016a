"""Leakage inflation: what a split by slice adds to the AUC: report/leakage_inflation.tsv."""

from typing import Any

import pandas as pd

from lungsight.report.charts import AUC_LIMITS, ForestRow, forest_plot
from lungsight.report.components import Cell, PageTable, Statement, estimate, text, whole
from lungsight.report.headings import COHORT, PIPELINE
from lungsight.report.results import RunResults
from lungsight.wording import count, with_interval

LABELS = {"true": "true labels", "shuffled": "a random label for each patient"}
CHANCE = 0.5
FEW_PATIENTS = 10  # below it the ends of a percentile interval say little
RANDOM_LABELS = "With a random label for each patient"


def section(results: RunResults) -> dict[str, Any] | None:
    """Give statements and table; None where no leakage inflation was measured."""
    inflation = results.leakage_inflation
    if inflation.empty:
        return None
    return {
        "statements": inflation_statements(inflation),
        "inflation": inflation_table(inflation),
    }


def inflation_chart(inflation: pd.DataFrame) -> str:
    """Draw the AUC under both splits, with the true labels beside random ones."""
    several = inflation["pipeline"].nunique() > 1
    panels = [
        (title, [_forest_row(row, several) for _, row in inflation[inflation["labels"] == labels].iterrows()])
        for labels, title in LABELS.items()
    ]
    return forest_plot(panels, chance=CHANCE, xlabel="AUC of slices, 95 % interval", limits=AUC_LIMITS)


def _forest_row(row: pd.Series, named: bool) -> ForestRow:
    name = f"{row['pipeline']}, by {row['unit']}" if named else f"split by {row['unit']}"
    return ForestRow(name, row["roc_auc"], row["roc_auc_lo"], row["roc_auc_hi"])


def inflation_table(inflation: pd.DataFrame) -> PageTable:
    """Show report/leakage_inflation.tsv."""
    rows = [
        [
            *(text(row[name]) for name in ("pipeline", "cohort", "labels", "unit")),
            *(whole(row["slices"]), whole(row["patients"])),
            *(estimate(row, "accuracy"), estimate(row, "roc_auc")),
            estimate(row, "inflation") if row["unit"] == "slice" else Cell(""),
        ]
        for _, row in inflation.iterrows()
    ]
    headings = [
        *(PIPELINE, COHORT, ("Labels", "shuffled: a random label for each patient"), ("Split by", "")),
        *(("Test slices", ""), ("Their patients", ""), ("Accuracy", "at probability 0.5"), ("AUC", "of slices")),
        ("Inflation", "AUC split by slice minus AUC split by patient"),
    ]
    caption = "The same pipeline under two splits, each training tested on its own test subset"
    return PageTable("leakage-inflation", caption, headings, rows)


def inflation_statements(inflation: pd.DataFrame) -> list[Statement]:
    """Say what the experiment shows, for each pipeline with the true labels and with random ones."""
    statements = []
    for (pipeline, cohort), rows in inflation.groupby(["pipeline", "cohort"], sort=False):
        conditions = {(row["labels"], row["unit"]): row for _, row in rows.iterrows()}
        name = f"{pipeline} on {cohort}"
        statements.append(_of_true_labels(name, conditions["true", "slice"], conditions["true", "patient"]))
        statements.append(_of_random_labels(conditions["shuffled", "slice"], conditions["shuffled", "patient"]))
    return statements


def _of_true_labels(name: str, by_slice: pd.Series, by_patient: pd.Series) -> Statement:
    if pd.isna(by_slice["inflation"]):
        return Statement("plain", f"{name}: too few patients to train under both splits.")
    both = (
        f"{name}: split by slice, the AUC is {with_interval(by_slice, 'roc_auc')}; split by patient,"
        f" {with_interval(by_patient, 'roc_auc')}."
    )
    if by_patient["patients"] < FEW_PATIENTS:
        return Statement("plain", f"{both} {_too_few(by_patient)}")
    inflation = with_interval(by_slice, "inflation")
    if by_slice["inflation_lo"] > 0:
        return Statement("warn", f"{both} Leakage alone adds {inflation}: that part says nothing about new patients.")
    return Statement("plain", f"{both} The difference, {inflation}, is not shown to be more than chance.")


def _too_few(by_patient: pd.Series) -> str:
    return f"Split by patient, {count(by_patient['patients'], 'patient')} are tested: too few to say what leakage adds."


def _of_random_labels(by_slice: pd.Series, by_patient: pd.Series) -> Statement:
    """Say whether the network recognises patients, and whether anything else leaks."""
    if pd.isna(by_slice["roc_auc"]) or pd.isna(by_patient["roc_auc"]):
        return Statement("plain", f"{RANDOM_LABELS}: too few patients to train under both splits.")
    if by_patient["patients"] < FEW_PATIENTS:
        aucs = [f"{with_interval(row, 'roc_auc')} split by {row['unit']}" for row in (by_slice, by_patient)]
        return Statement("plain", f"{RANDOM_LABELS}: {', '.join(aucs)}. {_too_few(by_patient)}")
    recognised = by_slice["roc_auc_lo"] > CHANCE
    reached = "still reaches" if recognised else "has"
    meaning = "it recognises the patients" if recognised else "it has not learnt to recognise the patients"
    start = (
        f"{RANDOM_LABELS} there is nothing to learn but who the patient is. Split by slice the network {reached} an AUC"
        f" of {with_interval(by_slice, 'roc_auc')}: {meaning}."
    )
    tone, end, _ = _of_random_labels_by_patient(by_patient)
    if tone == "plain" and recognised and not pd.isna(by_patient["roc_auc_lo"]):
        tone = "warn"
    return Statement(tone, f"{start} {end}")


def _of_random_labels_by_patient(by_patient: pd.Series) -> Statement:
    """Say whether the split by patient is at chance, as it must be."""
    auc, low, high = with_interval(by_patient, "roc_auc"), by_patient["roc_auc_lo"], by_patient["roc_auc_hi"]
    if pd.isna(low):
        return Statement("plain", f"Split by patient it has {auc}, without an interval.")
    if low <= CHANCE <= high:
        return Statement("plain", f"Split by patient it is at chance, {auc}, as it must be.")
    outside = f"Split by patient it has {auc}, which leaves chance out: one such interval in twenty does by accident."
    if high < CHANCE:
        return Statement("warn", f"{outside} Below chance it is no leakage: what leaks raises the number.")
    return Statement("bad", f"{outside} If it stays so under other seeds, something else leaks.")
