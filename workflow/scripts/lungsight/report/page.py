"""The page of a run: one HTML file that opens without a network.

PARTS lists its parts and their sections in order. A section is a module and a template of the same name in `sections`.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from markupsafe import Markup

from lungsight.report.cautions import phantoms
from lungsight.report.rendering import render, render_part
from lungsight.report.results import RunResults
from lungsight.report.sections import (
    adaptation,
    aggregation,
    answers,
    attention_differences,
    browser,
    calibration,
    class_metrics,
    cohort_flow,
    cohorts,
    confusion_matrices,
    decision_curves,
    distrust,
    ensembles,
    examples,
    gallery,
    glossary,
    leakage_inflation,
    lesions,
    making,
    mask_margin,
    metadata,
    model_pairs,
    occlusion_tests,
    outcomes,
    overview_charts,
    own_lungs,
    pairs,
    performance,
    pretraining,
    provenance,
    quality_control,
    ranking,
    remedies,
    replicates,
    saliency,
    saliency_methods,
    sanity_checks,
    segmentation,
    split_overlap,
    subgroups,
    summary,
    thesis,
    training_curves,
    verdicts,
)
from lungsight.report.templates import BROWSER_SCRIPT, TEMPLATE, read_part, section_template


class Section(NamedTuple):
    """A section of the page.

    Attributes
    ----------
    name
        Of its module, its template and its anchor.
    values
        What its template shows; None where the run has nothing to show.
    title
        Its heading; "" where the part's heading is enough.
    folded
        Whether it opens only by a click.
    """

    name: str
    values: Callable[[RunResults], Mapping[str, Any] | None]
    title: str = ""
    folded: bool = False


class Part(NamedTuple):
    """Sections under one heading. models: whether there is nothing to show without a trained model."""

    name: str
    title: str
    sections: tuple[Section, ...]
    models: bool = False


class RenderedSection(NamedTuple):
    """A section as the page's template needs it."""

    name: str
    title: str
    folded: bool
    html: Markup


PARTS = (
    Part("in-short", "In short", (Section("answers", answers.section),)),
    Part("what-to-distrust", "What to distrust", (Section("distrust", distrust.section),)),
    Part("charts", "One chart for each question", (Section("overview_charts", overview_charts.section),)),
    Part("study", "The study", (Section("summary", summary.section),)),
    Part(
        "classification",
        "How well do the models classify?",
        (
            Section("performance", performance.section),
            Section("class_metrics", class_metrics.section, "All classes, and each against the rest"),
            Section("ranking", ranking.section, "All pipelines, ranked"),
            Section("ensembles", ensembles.section, "Ensembles of pipelines"),
            Section("replicates", replicates.section, "Trained again: how far results and maps depend on the seed"),
            Section("adaptation", adaptation.section, "Gain by training on the target cohort"),
            Section("thesis", thesis.section, "Comparison with the thesis"),
            Section("model_pairs", model_pairs.section, "Pairs of models on the same patients", folded=True),
            Section("aggregation", aggregation.section, "From slices to patients, and other thresholds", folded=True),
            Section("subgroups", subgroups.section, "By source, scanner, kernel, contrast, age and sex", folded=True),
            Section("calibration", calibration.section, "Calibration of the probabilities", folded=True),
            Section(
                "decision_curves",
                decision_curves.section,
                "Decision curves: is acting on the model of use?",
                folded=True,
            ),
            Section("confusion_matrices", confusion_matrices.section, "Confusion matrices, by slice", folded=True),
            Section("pretraining", pretraining.section, "Pre-training without labels", folded=True),
            Section("training_curves", training_curves.section, "Training curves", folded=True),
        ),
        models=True,
    ),
    Part(
        "attention",
        "Do the models look at the lung?",
        (
            Section("verdicts", verdicts.section),
            Section("remedies", remedies.section, "Before and after: remedies against shortcuts"),
            Section("pairs", pairs.section, "Pairs of classes"),
            Section(
                "attention_differences",
                attention_differences.section,
                "Whole against segmented slices, one kind of start weights against another",
            ),
            Section("occlusion_tests", occlusion_tests.section, "Occlusion tests", folded=True),
            Section("making", making.section, "What the making of the images contributes", folded=True),
            Section("metadata", metadata.section, "What metadata alone tell about the class", folded=True),
            Section("sanity_checks", sanity_checks.section, "Sanity checks of the maps", folded=True),
        ),
        models=True,
    ),
    Part(
        "maps",
        "Saliency maps",
        (
            Section("browser", browser.section, "Overlays"),
            Section("saliency", saliency.section, "Grad-CAM against the lung mask"),
            Section("lesions", lesions.section, "Maps against lesions"),
            Section("examples", examples.section, "Typical maps"),
            Section("outcomes", outcomes.section, "Right and wrong predictions", folded=True),
            Section("mask_margin", mask_margin.section, "The lung with a margin, and other thresholds", folded=True),
            Section(
                "saliency_methods",
                saliency_methods.section,
                "Other methods, and the thesis's way of computing Grad-CAM",
                folded=True,
            ),
            Section("gallery", gallery.section, "Mean maps of every model", folded=True),
        ),
        models=True,
    ),
    Part(
        "data",
        "Data",
        (
            Section("cohorts", cohorts.section),
            Section("quality_control", quality_control.section, "Quality control"),
            Section("cohort_flow", cohort_flow.section, "From the tables to the images: flow diagrams"),
            Section("split_overlap", split_overlap.section, "Train, validation and test"),
            Section("leakage_inflation", leakage_inflation.section, "Leakage inflation"),
        ),
    ),
    Part(
        "lung-segmentation",
        "Lung segmentation",
        (
            Section("segmentation", segmentation.section),
            Section("own_lungs", own_lungs.section, "Lung masks that the tables name"),
        ),
    ),
    Part("methods", "How it was made", (Section("provenance", provenance.section),)),
    Part("words", "Words", (Section("glossary", glossary.section),)),
)


def render_page(results: RunResults) -> str:
    """Render the whole page. Every text is escaped; scripts, styles and pictures are inside."""
    parts = [(part, list(_sections(part, results))) for part in PARTS if results.run["stages"] or not part.models]
    return render(
        TEMPLATE,
        {
            "title": results.run["title"],
            "browser_script": Markup(read_part(BROWSER_SCRIPT)),
            "banner": phantoms(results),
            "parts": [(part.name, part.title, sections) for part, sections in parts if sections],
        },
    )


def _sections(part: Part, results: RunResults) -> Iterator[RenderedSection]:
    """Render the sections that have something to show."""
    for section in part.sections:
        values = section.values(results)
        if values is not None:
            html = render_part(section_template(section.name), values)
            yield RenderedSection(section.name, section.title, section.folded, html)
