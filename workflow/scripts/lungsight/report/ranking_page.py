"""The part of the page that ranks all pipelines, and says what systems of the literature are here."""

from typing import Any

import pandas as pd

from lungsight.report.evaluation_page import p_cell
from lungsight.report.model_tables import PERFORMANCE, display_name, measured, signed
from lungsight.report.page_tables import Cell, PageTable, decimal, text, whole
from lungsight.report.ranking import PRINTED
from lungsight.report.results import RunResults

BESIDE_PAPERS = (
    "What a paper prints, as the thesis's table 2.2 has it, was measured on other data, often split by slice or in"
    " another way, and some of it on other classes: it says what was claimed, not what to reach."
)
MEGABYTE = 1e6


def section(results: RunResults) -> dict[str, Any]:
    """What the template shows of it."""
    systems = system_table(results)
    return {
        "table": ranking_table(results),
        "systems": systems,
        "beside_papers": BESIDE_PAPERS if systems.rows else "",
    }


def ranking_table(results: RunResults) -> PageTable:
    """report/systems.tsv, the last stage first, with the time that a training took."""
    rows = []
    for _, row in results.systems.sort_values(["stage", "rank"], ascending=[False, True]).iterrows():
        name = text(display_name(results, row["pipeline"]))._replace(note=row["paper"])
        answered = "all slices at once" if row["answer"] == "pooled" else ""
        place = [whole(row["rank"]), name, whole(row["stage"]), text(row["cohort"])]
        quality = [whole(row["n"])._replace(note=answered), *measured(row, ["roc_auc"]), signed(row, "difference")]
        tests = [p_cell(row["p_holm"], corrected=True), *measured(row, ["accuracy"]), printed_cell(row)]
        looks = [decimal(row["ece"]), *measured(row, ["enrichment"]), text(row["verdict"])]
        rows.append([*place, *quality, *tests, *looks, *effort(results, row)])
    headings = [("Rank", "within a stage"), ("Pipeline", "below it the paper of a system"), ("Stage", "")]
    headings += [("Tested on", ""), ("n", "test patients"), PERFORMANCE["roc_auc"]]
    headings += [("To the first", "difference of the AUC on the patients that both have"), ("p, corrected", "by Holm")]
    headings += [PERFORMANCE["accuracy"], ("Printed", "accuracy in the paper, on other data"), PERFORMANCE["ece"]]
    headings += [("Enrichment", "of the lung in the maps; 1 is chance"), ("Looks at the lung?", "the verdict")]
    headings += [("Trained", "seconds, all epochs"), ("Weights", "thousands"), ("File", "MB")]
    caption = "All pipelines, ranked; below a number its 95 % interval over patients"
    return PageTable("ranking", caption, headings, rows, frozenset({0, 2, *range(4, 12), 13, 14, 15}))


def printed_cell(row: pd.Series) -> Cell:
    """The accuracy that a paper prints, or a number of it without a name."""
    if not pd.isna(row["printed_accuracy"]):
        return decimal(row["printed_accuracy"], 3)
    return decimal(row["printed_unnamed"], 3)._replace(note="" if pd.isna(row["printed_unnamed"]) else "without a name")


def effort(results: RunResults, row: pd.Series) -> list[Cell]:
    """Seconds of training, thousands of weights, and megabytes of the saved model."""
    model = row["pipeline"], row["stage"]
    seconds, size = results.histories[model]["seconds"].sum(), results.provenance[model]["model"]["bytes"]
    return [decimal(seconds, 0), decimal(row["parameters"] / 1000, 0), decimal(size / MEGABYTE, 1)]


def system_table(results: RunResults) -> PageTable:
    """The systems of the run: paper, what it is, what is a substitution here, and all that table 2.2 prints of it."""
    printed = results.systems.drop_duplicates("backbone").set_index("backbone")
    rows = [
        [text(name), text(one["paper"])._replace(note=one["citation"]), text(one["title"]), text(one["substituted"])]
        + [decimal(printed.loc[name, f"printed_{metric}"], 3) for metric in PRINTED]
        for name, one in results.facts["systems"].items()
    ]
    headings = [("System", ""), ("Paper", ""), ("What it is", ""), ("What is a substitution here", "")]
    headings += [(f"{metric.capitalize()}, printed", "by table 2.2 of the thesis") for metric in PRINTED]
    caption = "Systems of the literature: what they are, what is a substitution, and what their papers print"
    return PageTable("systems", caption, headings, rows, frozenset(range(4, 4 + len(PRINTED))))
