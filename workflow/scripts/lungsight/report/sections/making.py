"""Whether models use how the images were made: report/audit.tsv."""

from typing import Any

from lungsight.audit.making import COUNTERFACTUAL, TEST
from lungsight.audit.rows import AUC_CHANCE, UNMODIFIED, Estimate
from lungsight.intake.forensics.traces import BY_NAME
from lungsight.intake.forensics.washing import WASHINGS
from lungsight.report.components import (
    Cell,
    PageTable,
    Row,
    Statement,
    audit_estimate,
    missing,
    model_cells,
    named_first,
    text,
)
from lungsight.report.headings import MODEL
from lungsight.report.results import RunResults, model_of
from lungsight.wording import count, listed

TITLES = {
    "borders": "Borders",
    "letters": "Letters",
    "compression": "Compression",
    "resolution": "Resolution",
    "grey_levels": "Grey levels",
    "noise": "Noise",
}


def section(results: RunResults) -> dict[str, Any]:
    """Give a sentence and three tables."""
    return {
        "statements": statements(results),
        "counterfactual": kind_table(
            results,
            "making-counterfactual",
            COUNTERFACTUAL,
            "AUC by patient where a trace contradicts the class",
        ),
        "washed": kind_table(results, "making-washed", "roc_auc", "AUC by patient without a trace of the making"),
        "correlations": correlation_table(results),
    }


def statements(results: RunResults) -> list[Statement]:
    """Count the models whose answers follow a trace that tells the class."""
    judged = results.verdicts[results.verdicts["making"].notna()]
    rows = results.audit_of_models(TEST, "roc_auc", "patient")
    if rows["value"].isna().all():
        reasons = [reason for reason in rows["reason"].dropna().unique() if reason]
        because = f": {listed(reasons)}" if reasons else ""
        return [Statement("warn", f"Whether a model uses how images were made was not measured{because}.")]
    if judged.empty:
        sentence = "No trace that was changed here is shown to tell the class, so none can explain a result."
        return [Statement("plain", sentence)]
    following = judged[judged["making_hi"] < AUC_CHANCE]
    names = [f"{results.model_name(model_of(row))} (named: {row['making_trace']})" for _, row in following.iterrows()]
    named = f": {named_first(names)}" if names else ""
    return [
        Statement(
            "bad" if names else "good",
            f"The answers of {len(names)} of {count(len(judged), 'model')} follow a trace of the making that tells the"
            f" class, where it contradicts the class{named}.",
        )
    ]


def kind_table(results: RunResults, name: str, measure: str, caption: str) -> PageTable:
    """Show an AUC of every model for each kind of trace."""
    before = results.audit_by_model(TEST, "roc_auc", "patient")
    rows = [
        [
            *model_cells(results, *model),
            _auc(before[model].loc[UNMODIFIED]) if UNMODIFIED in before[model].index else missing(),
            *(_auc(of_model.loc[kind]) if kind in of_model.index else missing() for kind in WASHINGS),
        ]
        for model, of_model in results.audit_by_model(TEST, measure, "patient").items()
        if set(WASHINGS) & set(of_model.index)
    ]
    headings = [*MODEL, ("As they are", "the same slices without a change")]
    headings += [(TITLES[kind], washing.meaning) for kind, washing in WASHINGS.items()]
    return PageTable(name, caption, headings, rows)


def _auc(row: Row) -> Cell:
    auc = Estimate(row["value"], row["value_lo"], row["value_hi"])
    tone = "above" if auc.above(AUC_CHANCE) else "below" if auc.below(AUC_CHANCE) else ""
    return audit_estimate(row)._replace(tone=tone)


def correlation_table(results: RunResults) -> PageTable:
    """List the traces that the answers of a model follow among the patients of one class."""
    rows = [
        [*model_cells(results, *model), text(BY_NAME[str(name)].title), audit_estimate(row)]
        for model, of_model in results.audit_by_model(TEST, "rank_correlation", "patient").items()
        for name, row in of_model.iterrows()
        if _follows(row)
    ]
    headings = [*MODEL, ("Trace", ""), ("Rank correlation", "of the trace with the answer, within each class")]
    caption = "Traces that the answers go with among patients of one class, the interval without 0"
    return PageTable("making-correlations", caption, headings, rows)


def _follows(row: Row) -> bool:
    found = Estimate(row["value"], row["value_lo"], row["value_hi"])
    return found.above(0) or found.below(0)
