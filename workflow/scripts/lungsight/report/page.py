"""The page: tables, charts and sentences of a run in one HTML file that opens without a network."""

import json
import platform
from importlib.metadata import version
from typing import Any

import pandas as pd
from markupsafe import Markup

from lungsight import __version__
from lungsight.report import (
    audit_page,
    charts,
    components,
    evaluation_page,
    flow,
    headline,
    leakage_page,
    lesions_page,
    maps,
    model_tables,
    ranking_page,
)
from lungsight.report.pictures import galleries, mean_picture, overlay_picture
from lungsight.report.rendering import render
from lungsight.report.results import RunResults
from lungsight.report.segmentation_section import segmentation_section
from lungsight.report.statements import (
    adaptation_statements,
    leakage_statements,
    phantoms,
    stand_in_pipelines,
    what_to_distrust,
)
from lungsight.report.templates import TEMPLATE
from lungsight.wording import STAND_IN_MARK, evaluation_name, evaluation_note


def render_page(results: RunResults) -> str:
    """The whole page as HTML. Everything that is text is escaped; scripts, styles and pictures are inside."""
    return render(TEMPLATE, view(results))


def view(results: RunResults) -> dict[str, Any]:
    """What the template shows, room by room; a room that did not run is an empty value."""
    trained = bool(results.facts["stages"])
    return {
        "title": results.facts["title"],
        "banner": phantoms(results),
        "answers": [
            ("What was asked", headline.what_was_asked(results)),
            ("On whom", headline.on_whom(results)),
            ("How well", headline.how_well(results)),
            ("Does it look at the lung", headline.where_it_looks(results)),
        ],
        "distrust": [*what_to_distrust(results), *maps.empty_maps(results)],
        "models": _models(results) if trained else None,
        "attention": _attention(results) if trained else None,
        "audit": audit_page.section(results) if trained else None,
        "data": _data(results),
        "segmentation": segmentation_section(results),
        "provenance": _provenance(results),
        "stand_in_mark": STAND_IN_MARK if stand_in_pipelines(results) else "",
    }


def _models(results: RunResults) -> dict[str, Any]:
    names = {name: model_tables.display_name(results, name) for name, _ in results.histories}
    return {
        "forest": Markup(_auc_forest(results)),
        "by_patient": model_tables.performance_table(results, "patient"),
        "by_slice": model_tables.performance_table(results, "slice"),
        "thesis": model_tables.thesis_table(results),
        "adaptation": model_tables.adaptation_table(results),
        "adaptation_statements": adaptation_statements(results),
        "more": evaluation_page.section(results),
        "ranking": ranking_page.section(results),
        "confusions": confusion_matrices(results),
        "labels": results.facts["labels"],
        "curves": Markup(charts.training_curves(results.histories, names)),
    }


def _auc_forest(results: RunResults) -> str:
    table = results.metrics[results.metrics["unit"] == "patient"]
    by_role = model_tables.roles(results)
    panels = [
        (
            f"{evaluation_name(stage, cohort)}\n{evaluation_note(stage, by_role[cohort])}".strip(),
            _forest_rows(results, rows, "roc_auc"),
        )
        for (stage, cohort), rows in table.groupby(["stage", "cohort"], sort=False)
    ]
    return charts.forest_plot(panels, chance=0.5, xlabel="AUC by patient, 95 % interval", limits=(-0.03, 1.03))


def _forest_rows(results: RunResults, rows: pd.DataFrame, metric: str) -> list[charts.ForestRow]:
    return [
        charts.ForestRow(
            model_tables.display_name(results, row["pipeline"]), *(row[f"{metric}{end}"] for end in ("", "_lo", "_hi"))
        )
        for _, row in rows.iterrows()
    ]


def confusion_matrices(results: RunResults) -> list[dict[str, Any]]:
    """By slice, every evaluation: counts, and shares of each true class (rows sum to 1)."""
    matrices = []
    by_role = model_tables.roles(results)
    for row in results.metrics[results.metrics["unit"] == "slice"].itertuples():
        lines = [(row.tp, row.fn), (row.fp, row.tn)]
        matrices.append(
            {
                "pipeline": model_tables.display_name(results, row.pipeline),
                "evaluation": evaluation_name(row.stage, row.cohort),
                "note": evaluation_note(row.stage, by_role[row.cohort]),
                "lines": [[(n, n / sum(line) if sum(line) else 0.0) for n in line] for line in lines],
            }
        )
    return matrices


def _attention(results: RunResults) -> dict[str, Any]:
    overall = results.saliency[results.saliency["outcome"] == "all"]
    panels = [(f"stage {stage}", _forest_rows(results, rows, "enrichment")) for stage, rows in overall.groupby("stage")]
    summary = next(iter(results.summaries.values()))
    primary = summary["methods"][0]
    return {
        "forest": Markup(charts.forest_plot(panels, chance=1.0, xlabel="enrichment, 95 % interval", limits=None)),
        "table": model_tables.saliency_table(results),
        "outcomes": model_tables.outcome_table(results),
        "methods": maps.method_table(results),
        "margin": maps.margin_table(results),
        "thresholds": maps.threshold_table(results),
        "lesions": lesions_page.section(results),
        "sample": summary["sample"],
        "sign": primary["sign"],
        "rule": summary["overlays"]["rule"],
        "mean_rule": summary["mean_maps"]["rule"],
        "examples": _examples(results),
        "galleries": [
            (model_tables.display_name(results, gallery.pipeline), gallery) for gallery in galleries(results)
        ],
    }


def _examples(results: RunResults) -> dict[str, Any] | None:
    """Of the model with the highest AUC, the mean maps and the picture with the median enrichment of each outcome."""
    best = headline.best_model(results)
    if best is None:
        return None
    model = (best["pipeline"], int(best["stage"]))
    facts = [one for one in results.summaries[model]["overlays"]["pictures"] if one["position"] == "median"]
    folder = results.folder / f"explain/{model[0]}/stage{model[1]}/overlays"
    pictures = [overlay_picture(folder, one) for one in facts]
    return {
        "pipeline": model_tables.display_name(results, model[0]),
        "stage": model[1],
        "mean": mean_picture(folder.parent, results.summaries[model]),
        "pictures": pictures,
    }


def _data(results: RunResults) -> dict[str, Any]:
    tables = [components.cohort_table(results), components.rejection_table(results)]
    tables += [components.source_table(results), components.acquisition_table(results)]
    if results.manifests:
        tables[2:2] = [components.qc_table(results), components.qc_reason_table(results)]
    if results.splits:
        tables.append(leakage_page.composition_table(results))
    leakage = components.leakage_table(results) if len(results.leakage) else None
    return {
        "tables": tables,
        "flows": flow.flows(results),
        "leakage": leakage,
        "leakage_statements": leakage_statements(results),
        "inflation": leakage_page.inflation_section(results),
    }


def _provenance(results: RunResults) -> dict[str, Any]:
    versions = {"lungsight": __version__, "Python": platform.python_version()}
    versions |= {name: version(name) for name in ("numpy", "pandas", "matplotlib", "jinja2")}
    for found in results.provenance.values():
        versions |= found["packages"]
    facts = results.facts
    settings = {"seed": facts["seed"], "resamples for intervals": facts["bootstrap"]} | facts["settings"]
    return {
        "versions": sorted(versions.items(), key=lambda item: item[0].lower()),
        "settings": [(name, json.dumps(value, ensure_ascii=False)) for name, value in settings.items()],
        "models": model_tables.provenance_table(results) if results.provenance else None,
    }
