"""Leakage inflation: what a split by slice adds to the AUC: report/leakage_inflation.tsv."""

from typing import Any

import pandas as pd

from lungsight.evaluation.replicates import FEWEST_SPLITS
from lungsight.report.charts import AUC_LIMITS, ForestRow, forest_plot
from lungsight.report.components import Cell, PageTable, Statement, audit_estimate, decimal, estimate, text, whole
from lungsight.report.headings import COHORT, PIPELINE
from lungsight.report.results import RunResults
from lungsight.wording import MISSING, count, number, with_interval

LABELS = {"true": "true labels", "shuffled": "a random label for each patient"}
CHANCE = 0.5
FEW_PATIENTS = 10  # below it the ends of a percentile interval say little
REPEATED = {
    "inflation": "inflation",
    "roc_auc_slice": "AUC, split by slice",
    "roc_auc_patient": "AUC, split by patient",
}
RANDOM_LABELS = "With a random label for each patient"


def section(results: RunResults) -> dict[str, Any] | None:
    """Give statements and table; None where no leakage inflation was measured."""
    inflation = results.leakage_inflation
    if inflation.empty:
        return None
    return {
        "statements": [*inflation_statements(inflation), *repeats_statements(results.leakage_repeats)],
        "inflation": inflation_table(inflation),
        "repeats": repeats_table(results.leakage_repeats) if not results.leakage_repeats.empty else None,
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


def repeats_statements(repeats: pd.DataFrame) -> list[Statement]:
    """Say what leakage adds over several splits and starts, beside the interval of one."""
    if repeats.empty:
        return []
    rows = repeats[(repeats["labels"] == "true") & (repeats["metric"] == "inflation")]
    return [_of_repeats(row) for _, row in rows.iterrows()]


def _of_repeats(row: pd.Series) -> Statement:
    name, splits = f"{row['pipeline']} on {row['cohort']}", count(row["splits"], "split")
    if not row["splits"]:
        return Statement("plain", f"{name}: no repeat could be trained under both splits.")
    if row["splits"] == 1:
        return Statement("plain", f"{name}: one repeat alone could be trained under both splits.")
    spread = (
        f"{name}, over {splits} and starts: leakage adds {signed(row['mean'])} on average (sd {number(row['sd'])},"
        f" {signed(row['min'])} to {signed(row['max'])})."
    )
    if pd.isna(row["mean_lo"]):
        few = f"For an interval over splits, {FEWEST_SPLITS} are needed; the interval above covers test patients alone."
        return Statement("plain", f"{spread} {few}")
    both = (
        f"The 95 % interval over splits and starts is {signed(row['mean_lo'])} to {signed(row['mean_hi'])}; that over"
        f" the test patients of the first split is {signed(row['value_lo'])} to {signed(row['value_hi'])}."
    )
    return Statement("warn" if row["mean_lo"] > 0 else "plain", f"{spread} {both}")


def signed(value: float) -> str:
    """Write a difference with its sign."""
    return MISSING if pd.isna(value) else f"{value:+.2f}".replace("-", "−")


def repeats_table(repeats: pd.DataFrame) -> PageTable:
    """Show report/leakage_repeats.tsv."""
    rows = [
        [
            *(text(row["pipeline"]), text(LABELS[row["labels"]]), text(REPEATED[row["metric"]])),
            audit_estimate(row),
            decimal(row["mean"])._replace(note=f"sd {number(row['sd'])}"),
            Cell(f"{signed(row['min'])} to {signed(row['max'])}" if row["splits"] else MISSING),
            Cell(MISSING if pd.isna(row["mean_lo"]) else f"{signed(row['mean_lo'])} to {signed(row['mean_hi'])}"),
            whole(row["splits"]),
        ]
        for _, row in repeats.iterrows()
    ]
    headings = [
        *(PIPELINE, ("Labels", ""), ("Number", ""), ("First split", "below it the 95 % interval over its patients")),
        *(("Mean", "over splits and starts"), ("Range", "smallest and largest")),
        ("Interval over splits", f"95 %, of the mean, by the corrected resampled t; from {FEWEST_SPLITS} splits on"),
        ("Splits", "that could be trained"),
    ]
    return PageTable("leakage-repeats", "The same over several splits, random labels and starts", headings, rows)


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
