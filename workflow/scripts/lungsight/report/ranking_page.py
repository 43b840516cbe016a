"""The part of the page that ranks all pipelines, and says what systems of the literature are here."""

from typing import Any

import pandas as pd

from lungsight.audit.ranking import PRINTED
from lungsight.report.components import Cell, PageTable, decimal, text, whole
from lungsight.report.evaluation_page import p_cell
from lungsight.report.model_tables import PERFORMANCE, display_name, measured, signed
from lungsight.report.results import RunResults
from lungsight.wording import count, evaluation_name

BESIDE_PAPERS = (
    "What a paper prints, as the thesis's table 2.2 has it, was measured on other data, often split by slice or in"
    " another way, and some of it on other classes: it says what was claimed, not what to reach."
)
MILLION = 1e6


def section(results: RunResults) -> dict[str, Any]:
    """What the template shows of it."""
    published_models = system_table(results)
    return {
        "table": ranking_table(results),
        "systems": published_models,
        "beside_papers": BESIDE_PAPERS if published_models.rows else "",
    }


def ranking_table(results: RunResults) -> PageTable:
    """report/systems.tsv, the last stage first, with the time that a training took."""
    rows = []
    for _, row in results.ranking.sort_values(["stage", "rank"], ascending=[False, True]).iterrows():
        name = text(display_name(results, row["pipeline"]))._replace(note=row["paper"])
        tested = count(int(row["n"]), "patient") + (", all slices at once" if row["answer"] == "pooled" else "")
        evaluation = text(evaluation_name(row["stage"], row["cohort"]))._replace(note=tested)
        place = [whole(row["rank"]), name, evaluation]
        quality = [*measured(row, ["roc_auc"]), signed(row, "difference")]
        tests = [p_cell(row["p_holm"], corrected=True), *measured(row, ["accuracy"]), printed_cell(row)]
        looks = [decimal(row["ece"]), *measured(row, ["enrichment"]), text(row["verdict"])]
        rows.append([*place, *quality, *tests, *looks, *effort(results, row)])
    headings = [
        ("Rank", "within a stage; equals share one"),
        ("Pipeline", "below it the paper of a system"),
        ("Evaluation", "below it the test patients"),
    ]
    headings.append(PERFORMANCE["roc_auc"])
    headings += [("To the first", "difference of the AUC on the patients that both have"), ("p, corrected", "by Holm")]
    headings += [PERFORMANCE["accuracy"], ("Printed", "accuracy in the paper, on other data"), PERFORMANCE["ece"]]
    headings += [("Enrichment", "of the lung in the maps; 1 is chance"), ("Looks at the lung?", "the verdict")]
    headings += [("Trained", "seconds, all epochs"), ("Size", "MB of the saved model; below it the number of weights")]
    caption = "All pipelines, ranked; below a number its 95 % interval over patients"
    return PageTable("ranking", caption, headings, rows, frozenset({0, *range(3, 10), 11, 12}))


def printed_cell(row: pd.Series) -> Cell:
    """The accuracy that a paper prints, or a number of it without a name."""
    if not pd.isna(row["printed_accuracy"]):
        return decimal(row["printed_accuracy"], 3)
    return decimal(row["printed_unnamed"], 3)._replace(note="" if pd.isna(row["printed_unnamed"]) else "without a name")


def effort(results: RunResults, row: pd.Series) -> list[Cell]:
    """Seconds of training, and megabytes of the saved model with its number of weights."""
    model = row["pipeline"], row["stage"]
    seconds, size = results.histories[model]["seconds"].sum(), results.provenance[model]["model"]["bytes"]
    weights = f"{row['parameters'] / MILLION:.1f} million"
    return [decimal(seconds, 0), decimal(size / MILLION, 1)._replace(note=weights)]


def system_table(results: RunResults) -> PageTable:
    """The systems of the run: what each is, what is a substitution here, its paper, and what table 2.2 prints of it."""
    printed = results.ranking.drop_duplicates("backbone").set_index("backbone")
    rows = [
        [text(name), text(one["title"]), text(one["substituted"]), text(one["citation"])]
        + [decimal(printed.loc[name, f"printed_{metric}"], 3) for metric in PRINTED]
        + [text(printed.loc[name, "printed_note"])]
        for name, one in results.facts["systems"].items()
    ]
    headings = [("System", ""), ("What it is", ""), ("What is a substitution here", ""), ("Paper", "")]
    headings += [(metric.capitalize(), "as table 2.2 of the thesis prints it") for metric in PRINTED]
    headings += [("Note", "to these numbers")]
    caption = "Systems of the literature: what they are, what is a substitution, and what their papers print"
    return PageTable("systems", caption, headings, rows, frozenset(range(4, 4 + len(PRINTED))))
