"""Ensembles of pipelines, ranked among them: report/ensembles.tsv."""

from typing import Any

from lungsight.report.components import PageTable, decimal, difference, estimate, p_value, text
from lungsight.report.headings import EVALUATION, PERFORMANCE
from lungsight.report.results import RunResults
from lungsight.wording import evaluation_name


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the ensembles by patient on the cohort of their stage, the last stage first; None where there are none."""
    if results.ensembles.empty:
        return None
    ranked = results.ensembles[results.ensembles["rank"].notna()]
    rows = []
    for _, row in ranked.sort_values(["stage", "rank"], ascending=[False, True]).iterrows():
        members = zip(row["members"].split(), row["member_weights"].split(), strict=True)
        shares = ", ".join(f"{results.display_name(name)} {float(weight):.2f}" for name, weight in members)
        to_best = difference(row, "difference")
        rows.append(
            [
                text(row["ensemble"])._replace(note=row["note"]),
                text(shares),
                text(evaluation_name(row["stage"], row["cohort"])),
                text(f"{row['rank']:.0f} of {row['ranked']:.0f}"),
                estimate(row, "roc_auc"),
                to_best._replace(note=f"{to_best.note}, to {results.display_name(row['compared_with'])}"),
                p_value(row["p_holm"], corrected=True),
                estimate(row, "accuracy"),
                decimal(row["ece"]),
            ]
        )
    headings = [
        *(("Ensemble", ""), ("Pipelines and weights", "chosen on validation"), EVALUATION),
        ("Rank", "among all pipelines and ensembles of the stage"),
        *(PERFORMANCE["roc_auc"], ("To the best pipeline", "difference of the AUC on the patients that both have")),
        *(("p, corrected", "by Holm"), PERFORMANCE["accuracy"], PERFORMANCE["ece"]),
    ]
    caption = "Ensembles by patient; below a number its 95 % interval over patients"
    return {"ensembles": PageTable("ensembles", caption, headings, rows)}
