"""One chart for each question, before any table."""

from typing import Any, NamedTuple

from markupsafe import Markup

from lungsight.report.model_charts import (
    attention_chart,
    attention_rows,
    has_overlays,
    numbers_in_words,
    slope_chart,
)
from lungsight.report.results import RunResults
from lungsight.report.sections.calibration import reliability_diagrams
from lungsight.report.sections.cohort_flow import draw, in_words, shares_of, steps_of
from lungsight.report.sections.leakage_inflation import inflation_chart
from lungsight.report.sections.performance import auc_forest
from lungsight.wording import STAND_IN_MARK, with_interval


class Chart(NamedTuple):
    """A chart of the page.

    Attributes
    ----------
    question
        Its heading.
    label
        What it is.
    words
        Its numbers, for those who do not see it.
    caption
        How to read it.
    table
        Where its numbers are, below the run's folder.
    wide
        Whether it takes the whole width.
    """

    question: str
    svg: Markup
    label: str
    words: str
    caption: str
    table: str
    wide: bool = False


def section(results: RunResults) -> dict[str, Any] | None:
    """Give the charts; None where there is nothing to draw."""
    of_models = [performance(results), places(results), attention(results)] if results.run["stages"] else []
    charts = [*of_models, *inflation(results), *calibration(results), *data_flow(results)]
    return {"charts": charts} if charts else None


def performance(results: RunResults) -> Chart:
    """Draw the AUC of every model."""
    rows = results.metrics[results.metrics["unit"] == "patient"]
    mark = f" {STAND_IN_MARK} stand-in weights, not ImageNet." if results.stand_in_pipelines else ""
    return Chart(
        "How well? The AUC of every model",
        Markup(auc_forest(results)),
        "Forest plot of the area under the ROC curve by patient of every pipeline and evaluation",
        numbers_in_words(results, rows, ("roc_auc", results.auc_in_words)),
        f"{results.auc_in_words} by patient with 95 % intervals; dashed line: chance. Filled circle: better than"
        f" chance. Open square: the interval includes 0.5, or there is none. Triangle: worse than chance.{mark}",
        "report/metrics.tsv",
        wide=results.metrics.drop_duplicates(["stage", "cohort"]).shape[0] > 2,
    )


def places(results: RunResults) -> Chart:
    """Draw what becomes of the AUC elsewhere, and after adaptation."""
    rows = results.metrics[results.metrics["unit"] == "patient"]
    return Chart(
        "For new patients? The same model from place to place",
        Markup(slope_chart(results)),
        "Slope chart of the AUC by patient of every pipeline, from the cohort of stage 1 to the target before and after"
        " adaptation, and to external cohorts",
        numbers_in_words(results, rows, ("roc_auc", results.auc_in_words)),
        f"{results.auc_in_words} by patient. Each line is a pipeline. A line that falls: the model does worse on"
        " patients of another place.",
        "report/metrics.tsv",
    )


def attention(results: RunResults) -> Chart:
    """Draw attention against the AUC."""
    rows = attention_rows(results)
    return Chart(
        "Does it look at the lung? Attention against AUC",
        Markup(attention_chart(results)),
        "Scatter plot of the enrichment of the maps in the lung against the AUC by patient, a point for each model",
        numbers_in_words(results, rows, ("roc_auc", results.auc_in_words), ("enrichment", "enrichment")),
        f"{results.auc_in_words} by patient. A point is a model of the last stage"
        f"{' and leads to its maps' if has_overlays(results) else ''}; lines are 95 % intervals. Circle: the verdict is"
        " on the lung. Triangle: not on the lung. Open square: not shown, or not assessed. Maps above 1 prefer the"
        " lung, which by itself proves nothing.",
        "report/verdicts.tsv",
    )


def inflation(results: RunResults) -> list[Chart]:
    """Draw the leakage inflation, where it was measured."""
    table = results.leakage_inflation
    if table.empty:
        return []
    words = "; ".join(
        f"{row['pipeline']}, {row['labels']} labels, split by {row['unit']}: AUC {with_interval(row, 'roc_auc')}"
        for _, row in table.iterrows()
    )
    caption = (
        "The same network under both splits. Dashed line: chance. Filled circle: better than chance. Open square: the"
        " interval includes 0.5. Split by slice, a network is tested on patients that it was trained on."
    )
    label = "Forest plot of the area under the ROC curve under both splits"
    svg = Markup(inflation_chart(table))
    return [Chart("What does leakage add?", svg, label, words, caption, "report/leakage_inflation.tsv")]


def calibration(results: RunResults) -> list[Chart]:
    """Draw the calibration of the model with the highest AUC, in each stage."""
    best = results.best_model() if results.run["stages"] else None
    if best is None:
        return []
    rows = results.metrics_on_training_cohort("patient")
    return [
        Chart(
            "Are the probabilities right? The model with the highest AUC",
            Markup(reliability_diagrams(results, [best["pipeline"]])),
            f"Reliability diagrams of {best['pipeline']}: share of positives by probability",
            numbers_in_words(results, rows[rows["pipeline"] == best["pipeline"]], ("ece", "calibration error (ECE)")),
            "Of the test slices with a predicted probability of about p, which share is"
            f" {results.positive_in_words}? On the dashed line the probability is right; below it, it is too high. A"
            " point's area stands for its number of slices.",
            "report/reliability.tsv",
        )
    ]


def data_flow(results: RunResults) -> list[Chart]:
    """Draw what became of the rows of the last stage's cohort, or of every cohort where nothing was trained."""
    best = results.best_model() if results.run["stages"] else None
    cohorts = list(results.slices) if best is None else [best["cohort"]]
    return [
        Chart(
            f"Who is in it? {cohort}",
            Markup(draw(steps_of(results, cohort), shares_of(results, cohort))),
            f"Flow diagram of {cohort}",
            " ".join(in_words(steps_of(results, cohort), shares_of(results, cohort))),
            "From the rows of the table to the images. What went on (solid), and what was left out and why (dashed).",
            f"cohorts/{cohort}/cases.tsv",
        )
        for cohort in cohorts
    ]
