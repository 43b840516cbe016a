"""What metadata alone tell about the class, without the lung: report/audit.tsv."""

from typing import Any

from lungsight.audit.metadata_classifier import HOLDS_LUNG
from lungsight.audit.rows import AUC_CHANCE
from lungsight.report.components import PageTable, Statement, audit_estimate, text
from lungsight.report.headings import COHORT, INPUT_VIEW
from lungsight.report.results import RunResults
from lungsight.wording import listed, with_interval


def section(results: RunResults) -> dict[str, Any]:
    """Give statement and table."""
    return {"statements": metadata_statements(results), "classifiers": metadata_table(results)}


def metadata_statements(results: RunResults) -> list[Statement]:
    """Name the metadata that tell the classes apart."""
    rows = results.audit.query("test == 'metadata' and unit == 'patient' and reason == ''")
    rows = rows[~rows["variant"].isin(HOLDS_LUNG)]
    telling = rows[rows["value_lo"] > AUC_CHANCE]
    if telling.empty:
        return [Statement("good", "No metadata are shown to tell the classes of the test patients apart.")]
    shown = [
        f"{row['variant']} in {row['cohort']}, {row['framework']} (AUC {with_interval(row, 'value')})"
        for _, row in telling.iterrows()
    ]
    return [Statement("warn", f"The classes can be separated without the lung, by {listed(shown)}.")]


def metadata_table(results: RunResults) -> PageTable:
    """Show what a logistic regression on each group of metadata reaches on the test patients."""
    rows = []
    for _, row in results.audit.query("test == 'metadata' and unit == 'patient'").iterrows():
        tone = "warn" if row["value_lo"] > AUC_CHANCE and row["variant"] not in HOLDS_LUNG else ""
        auc = text(row["reason"]) if row["reason"] else audit_estimate(row)._replace(tone=tone)
        rows.append([text(row["cohort"]), text(row["framework"]), text(row["variant"]), auc])
    headings = [COHORT, INPUT_VIEW, ("Metadata", "that the classifier is given")]
    headings.append(("AUC", "by patient; marked where the whole interval lies above 0.5 and the lung is not in it"))
    caption = "What metadata alone tell about the class: a shortcut that a network could take, not one that it took"
    return PageTable("metadata", caption, headings, rows)
