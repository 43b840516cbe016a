"""All pipelines, ranked, and the published models among them: report/systems.tsv."""

from typing import Any

import pandas as pd

from lungsight.audit.ranking import PRINTED
from lungsight.report.components import (
    Cell,
    PageTable,
    decimal,
    difference,
    estimate,
    missing,
    p_value,
    text,
    whole,
)
from lungsight.report.headings import ENRICHMENT, EVALUATION, PERFORMANCE, PIPELINE
from lungsight.report.results import RunResults
from lungsight.report.words import verdict_in_words
from lungsight.wording import count, evaluation_name

BESIDE_PAPERS = (
    "What a paper prints, as the thesis's table 2.2 has it, was measured on other data, often split by slice or in"
    " another way, and some of it on other classes: it says what was claimed, not what to reach."
)
MILLION = 1e6


def section(results: RunResults) -> dict[str, Any]:
    """Give the ranking, and what the run's published models are."""
    published = published_model_table(results)
    return {
        "ranking": ranking_table(results),
        "published": published,
        "beside_papers": BESIDE_PAPERS if published.rows else "",
    }


def ranking_table(results: RunResults) -> PageTable:
    """Show the ranking, the last stage first."""
    ordered = results.ranking.sort_values(["stage", "rank"], ascending=[False, True])
    rows = [
        [
            *_identity(results, row),
            estimate(row, "roc_auc"),
            difference(row, "difference"),
            p_value(row["p_holm"], corrected=True),
            estimate(row, "accuracy"),
            printed_cell(row),
            decimal(row["ece"]),
            estimate(row, "enrichment"),
            text(verdict_in_words(row["verdict"])),
            *effort(results, row),
        ]
        for _, row in ordered.iterrows()
    ]
    headings = [
        *(PIPELINE, ("Rank", "within a stage; equals share one"), EVALUATION, PERFORMANCE["roc_auc"]),
        ("To the first", "difference of the AUC on the patients that both have"),
        ("p, corrected", "by Holm"),
        PERFORMANCE["accuracy"],
        ("Printed", "accuracy in the paper, on other data"),
        *(PERFORMANCE["ece"], ENRICHMENT, ("Verdict", "on where it looks, not on how well it does")),
        ("Trained", "seconds, all epochs"),
        ("Size", "MB of the saved model; below it the number of weights"),
    ]
    caption = "All pipelines, ranked; below a number its 95 % interval over patients"
    return PageTable("ranking", caption, headings, rows)


def _identity(results: RunResults, row: pd.Series) -> list[Cell]:
    """Show rank, pipeline with the paper of a published model, and evaluation with the test patients."""
    name = text(results.display_name(row["pipeline"]))._replace(note=row["paper"])
    tested = count(int(row["n"]), "patient") + (", all slices at once" if row["answer"] == "pooled" else "")
    evaluation = text(evaluation_name(row["stage"], row["cohort"]))._replace(note=tested)
    return [name, whole(row["rank"]), evaluation]


def printed_cell(row: pd.Series) -> Cell:
    """Show the accuracy that a paper prints, or a number that it prints without a name."""
    if not pd.isna(row["printed_accuracy"]):
        return decimal(row["printed_accuracy"], 3)
    if pd.isna(row["printed_unnamed"]):
        return missing()
    return decimal(row["printed_unnamed"], 3)._replace(note="without a name")


def effort(results: RunResults, row: pd.Series) -> list[Cell]:
    """Show seconds of training, and megabytes of the saved model with its number of weights."""
    model = row["pipeline"], row["stage"]
    seconds, size = results.histories[model]["seconds"].sum(), results.provenance[model]["model"]["bytes"]
    weights = f"{row['parameters'] / MILLION:.1f} million"
    return [decimal(seconds, 0), decimal(size / MILLION, 1)._replace(note=weights)]


def published_model_table(results: RunResults) -> PageTable:
    """Show what the published models of the run are, what is a substitution here, and what table 2.2 prints of them."""
    printed = results.ranking.drop_duplicates("backbone").set_index("backbone").to_dict("index")
    rows = [
        [text(name), text(model["title"]), text(model["substituted"]), text(model["citation"])]
        + [decimal(printed[name][f"printed_{metric}"], 3) for metric in PRINTED]
        + [text(printed[name]["printed_note"])]
        for name, model in results.run["systems"].items()
    ]
    headings = [("Model", ""), ("What it is", ""), ("What is a substitution here", ""), ("Paper", "")]
    headings += [(metric.capitalize(), "as table 2.2 of the thesis prints it") for metric in PRINTED]
    headings.append(("Note", "to these numbers"))
    caption = "Published models: what they are, what is a substitution here, and what their papers print"
    return PageTable("published-models", caption, headings, rows)
