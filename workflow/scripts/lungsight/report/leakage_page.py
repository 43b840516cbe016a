"""What the page says of splits: who is on which side, and what a split by slice would add to the numbers."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from lungsight.report import charts
from lungsight.report.components import Cell, PageTable, decimal, text, whole
from lungsight.report.results import RunResults
from lungsight.report.statements import Statement
from lungsight.run_description import input_views_of
from lungsight.subsets import SUBSETS
from lungsight.wording import count, interval, with_interval

TITLES = {"true": "true labels", "shuffled": "a random label for each patient"}
CHANCE = 0.5
FEW_PATIENTS = 10  # below it the ends of a percentile interval say little


def composition_table(results: RunResults) -> PageTable:
    """Patients and slices on each side by cohort, class and source, in the first framework."""
    framework = input_views_of(results.facts)[0]
    rows = []
    for (cohort, own), split in results.splits.items():
        if own != framework:
            continue
        sources = results.slices[cohort].set_index("slice")["source"]
        named = split.assign(source=split["slice"].map(sources))
        for (label, source), group in named.groupby(["label", "source"], sort=False):
            sides = [group[group["split"] == side] for side in SUBSETS]
            counts = [whole(n) for side in sides for n in (side["patient"].nunique(), len(side))]
            rows.append([text(cohort), text(label), text(source), *counts])
    headings = [("Cohort", ""), ("Class", ""), ("Source", "")]
    headings += [(f"{side}, {what}", "") for side in SUBSETS for what in ("patients", "slices")]
    caption = f"Who is on which side ({framework} framework)"
    return PageTable("composition", caption, headings, rows, frozenset(range(3, 3 + 2 * len(SUBSETS))))


def inflation_section(results: RunResults) -> dict[str, Any] | None:
    """Chart, table and sentences of report/leakage_inflation.tsv; nothing where nothing was tried."""
    if results.leakage_inflation.empty:
        return None
    return {
        "chart": Markup(inflation_chart(results.leakage_inflation)),
        "statements": inflation_statements(results.leakage_inflation),
        "table": inflation_table(results.leakage_inflation),
    }


def inflation_chart(inflation: pd.DataFrame) -> str:
    """AUC under both splits, true labels beside shuffled ones."""
    several = inflation["pipeline"].nunique() > 1

    def rows_of(own: pd.DataFrame) -> list[charts.ForestRow]:
        return [
            charts.ForestRow(
                f"{row.pipeline}, by {row.unit}" if several else f"split by {row.unit}",
                *(row.roc_auc, row.roc_auc_lo, row.roc_auc_hi),
            )
            for row in own.itertuples()
        ]

    panels = [(title, rows_of(inflation[inflation["labels"] == labels])) for labels, title in TITLES.items()]
    return charts.forest_plot(panels, chance=CHANCE, xlabel="AUC of slices, 95 % interval", limits=(-0.03, 1.03))


def inflation_table(inflation: pd.DataFrame) -> PageTable:
    """report/leakage_inflation.tsv."""
    headings = [
        *(("Pipeline", ""), ("Cohort", ""), ("Labels", "shuffled: a random label for each patient"), ("Split by", "")),
        *(("Test slices", ""), ("Their patients", ""), ("Accuracy", "at probability 0.5"), ("AUC", "of slices")),
        ("Price", "AUC by slice minus AUC by patient"),
    ]
    rows = []
    for _, row in inflation.iterrows():
        cells = [text(row[name]) for name in ("pipeline", "cohort", "labels", "unit")]
        cells += [whole(row["slices"]), whole(row["patients"])]
        numbers = [
            decimal(row[name])._replace(note=interval(row, name)) for name in ("accuracy", "roc_auc", "inflation")
        ]
        rows.append([*cells, *numbers[:2], numbers[2] if row["unit"] == "slice" else Cell("")])
    caption = "The same pipeline under two splits, each training on its own test side"
    return PageTable("leakage-inflation", caption, headings, rows, frozenset(range(4, 9)))


def inflation_statements(inflation: pd.DataFrame) -> list[Statement]:
    """What the experiment shows, a pipeline at a time."""
    statements = []
    for (pipeline, cohort), rows in inflation.groupby(["pipeline", "cohort"], sort=False):
        conditions = {(row["labels"], row["unit"]): row for _, row in rows.iterrows()}
        statements.append(
            _of_true_labels(f"{pipeline} on {cohort}", conditions["true", "slice"], conditions["true", "patient"])
        )
        statements.append(_of_shuffled_labels(conditions["shuffled", "slice"], conditions["shuffled", "patient"]))
    return statements


def _of_true_labels(name: str, by_slice: pd.Series, by_patient: pd.Series) -> Statement:
    if pd.isna(by_slice["inflation"]):
        return Statement("plain", f"{name}: too few patients to train under both splits.")
    found = (
        f"{name}: split by slice, the AUC is {with_interval(by_slice, 'roc_auc')}; split by patient,"
        f" {with_interval(by_patient, 'roc_auc')}."
    )
    if by_patient["patients"] < FEW_PATIENTS:
        return Statement("plain", f"{found} {_too_few(by_patient)}")
    inflation = with_interval(by_slice, "inflation")
    if by_slice["inflation_lo"] > 0:
        return Statement("warn", f"{found} Leakage alone adds {inflation}: that part says nothing about new patients.")
    return Statement("plain", f"{found} The difference, {inflation}, is not shown to be more than chance.")


def _too_few(by_patient: pd.Series) -> str:
    return f"Split by patient, {count(by_patient['patients'], 'patient')} are tested: too few to say what leakage adds."


def _of_shuffled_labels(by_slice: pd.Series, by_patient: pd.Series) -> Statement:
    if pd.isna(by_slice["roc_auc"]) or pd.isna(by_patient["roc_auc"]):
        return Statement("plain", "With a random label for each patient: too few patients to train under both splits.")
    slices, patients = with_interval(by_slice, "roc_auc"), with_interval(by_patient, "roc_auc")
    if by_patient["patients"] < FEW_PATIENTS:
        found = f"With a random label for each patient: {slices} split by slice, {patients} split by patient."
        return Statement("plain", f"{found} {_too_few(by_patient)}")
    start = "With a random label for each patient there is nothing to learn but who the patient is."
    recognised = by_slice["roc_auc_lo"] > CHANCE
    reached = "still reaches" if recognised else "has"
    meaning = "it recognises the patients" if recognised else "it has not learnt to recognise the patients"
    first = f"Split by slice the network {reached} an AUC of {slices}: {meaning}."
    if by_patient["roc_auc_lo"] <= CHANCE <= by_patient["roc_auc_hi"]:
        second = f"Split by patient it is at chance, {patients}, as it must be."
        return Statement("warn" if recognised else "plain", f"{start} {first} {second}")
    if pd.isna(by_patient["roc_auc_lo"]):
        return Statement("plain", f"{start} {first} Split by patient it has {patients}, without an interval.")
    second = (
        f"Split by patient it has {patients}, which leaves chance out: one such interval in twenty does by accident."
    )
    if by_patient["roc_auc_hi"] < CHANCE:
        return Statement(
            "warn", f"{start} {first} {second} Below chance it is no leakage: what leaks raises the number."
        )
    return Statement("bad", f"{start} {first} {second} If it stays so under other seeds, something else leaks.")
