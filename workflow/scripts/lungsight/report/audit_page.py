"""The part of the page about the audit: verdicts, the shortcut battery, sanity checks, metadata, comparisons."""

from typing import Any

import pandas as pd
from markupsafe import Markup

from lungsight.audit.attention_differences import MEASURES
from lungsight.audit.interventions import INTERVENTIONS
from lungsight.audit.metadata_classifier import HOLDS_LUNG
from lungsight.audit.rows import AUC_CHANCE, FULLY_RANDOMISED, SIMILAR, UNMODIFIED
from lungsight.audit.verdict import KINDS, SUFFICES, TONES, Estimate
from lungsight.report.audit_chart import SERIES, swap_chart
from lungsight.report.audit_sentences import metadata_sentences, occlusion_sentences, source_sentences
from lungsight.report.components import Cell, PageTable, decimal, text, whole
from lungsight.report.model_tables import display_name, signed
from lungsight.report.results import RunResults
from lungsight.wording import MISSING, interval, number

KIND_OF = {words: kind for kind, words in KINDS.items()}
TITLES = {
    UNMODIFIED: ("As they are", "the test slices without a change"),
    "background_only_mean": ("Lung grey", "the lung is a flat grey"),
    "background_only_blur": ("Lung blurred", ""),
    "background_only_other": (
        "Lung swapped",
        "for one of the other class: below 0.5 the answers follow it",
    ),
    "lung_only_mean": ("Rest grey", "all but the lung is a flat grey"),
    "lung_only_blur": ("Rest blurred", ""),
    "lung_only_other": ("Rest swapped", "for one of the other class: above 0.5 the answers follow the lung"),
    "silhouette": ("Outline", "nothing but the outline of the lung"),
    "border_only": ("Border", "a frame along the edge"),
    "central_crop": ("Centre", "a central square"),
    "low_pass": ("Coarse", "without fine texture"),
}
PIPELINE_HEADINGS = [("Pipeline", ""), ("Stage", "")]


def section(results: RunResults) -> dict[str, Any]:
    """What the template shows of the audit."""
    return {
        "chart": Markup(_chart(results)),
        "legend": [(one.symbol, one.words) for one in SERIES],
        "verdicts": verdict_table(results),
        "battery": occlusion_table(results),
        "reliance": reliance_table(results),
        "battery_sentences": [*occlusion_sentences(results), *source_sentences(results)],
        "metadata_sentences": metadata_sentences(results),
        "comparisons": comparison_table(results),
        "metadata": metadata_table(results),
        "randomisation": randomisation_table(results),
        "curves": curve_table(results),
        "suffices": f"{100 * SUFFICES:.0f} %",
        "similar": SIMILAR,
        "failed": failed_methods(results),
    }


def of_models(results: RunResults) -> pd.DataFrame:
    """The rows of report/audit.tsv that concern a model."""
    return results.audit[results.audit["pipeline"] != ""]


def _name(results: RunResults, row: pd.Series) -> list[Cell]:
    return [text(display_name(results, row["pipeline"])), whole(row["stage"])]


def _value(row: pd.Series, name: str = "value") -> Cell:
    """A number with its interval below it; where one end is negative, a dash between them would read as a minus."""
    between = interval(row, name)
    if row[f"{name}_lo"] < 0:
        between = f"{number(row[f'{name}_lo'])} to {number(row[f'{name}_hi'])}"
    cell = decimal(row[name])
    return cell._replace(text=cell.text.replace("-", "−"), note=between.replace("-", "−"))


def verdict_cell(row: pd.Series) -> Cell:
    """The verdict in its words and colour. row: of report/verdicts.tsv."""
    words = row["verdict"]
    return Cell(words[0].upper() + words[1:], tone=TONES[KIND_OF[words]])


def verdict_table(results: RunResults) -> PageTable:
    """One row per model: the verdict, the reason, and the numbers that the rules look at."""
    measures = {
        "auc": ("AUC", "by patient, slices as they are"),
        "background": ("Lung grey", "AUC without lung tissue"),
        "swap": ("Lung swapped", "AUC; below 0.5 the answers follow the lung"),
        "enrichment": ("Enrichment", "of the maps; 1 is no preference"),
        "similarity": ("Similarity", "rank correlation of the maps with those of the network with random weights"),
    }
    rows = []
    for _, row in results.verdicts.iterrows():
        reason = row["sentence"].partition(": ")[2]
        cells = [_value(row, name) for name in measures]
        rows.append([*_name(results, row), verdict_cell(row), Cell(reason[0].upper() + reason[1:]), *cells])
    headings = [*PIPELINE_HEADINGS, ("Verdict", ""), ("Because", "the first rule that holds"), *measures.values()]
    caption = "Does each model look at the lung? Below each number its 95 % interval over patients"
    return PageTable("verdicts", caption, headings, rows, frozenset({1, *range(4, 4 + len(measures))}))


def _wide(results: RunResults, test: str, measure: str, unit: str) -> dict[tuple[str, int], pd.DataFrame]:
    table = of_models(results).query("test == @test and measure == @measure and unit == @unit")
    return {model: rows.set_index("variant") for model, rows in table.groupby(["pipeline", "stage"], sort=False)}


def occlusion_table(results: RunResults) -> PageTable:
    """AUC by patient of every model under every intervention."""
    rows, variants = [], (UNMODIFIED, *INTERVENTIONS)
    for (pipeline, stage), found in _wide(results, "intervention", "roc_auc", "patient").items():
        cells = [_shaded(found.loc[name]) if name in found.index else text(MISSING) for name in variants]
        rows.append([text(display_name(results, pipeline)), whole(stage), *cells])
    headings = [*PIPELINE_HEADINGS, *(TITLES[name] for name in variants)]
    caption = "The shortcut battery: AUC by patient when a part of each test slice is replaced"
    return PageTable("battery", caption, headings, rows, frozenset(range(1, len(headings))))


def _shaded(row: pd.Series) -> Cell:
    """A number, marked where its whole interval lies on one side of chance."""
    seen = Estimate(row["value"], row["value_lo"], row["value_hi"])
    return _value(row)._replace(tone="above" if seen.above(AUC_CHANCE) else "below" if seen.below(AUC_CHANCE) else "")


def reliance_table(results: RunResults) -> PageTable:
    """The lung reliance index with each fill, and what the last hidden layer knows of the source."""
    reliance = _wide(results, "lung_reliance", "index", "slice")
    sources = _wide(results, "source_from_features", "balanced_accuracy", "slice")
    rows = []
    for model, found in reliance.items():
        source = sources[model].iloc[0]
        told = text(source["reason"]) if source["reason"] else _value(source)
        chance = text(MISSING) if source["reason"] else decimal(source["chance"])
        cells = [_value(found.loc[fill]) for fill in found.index]
        rows.append([text(display_name(results, model[0])), whole(model[1]), *cells, told, chance])
    headings = [
        *PIPELINE_HEADINGS,
        *((f"Reliance, {fill}", "share of the answer's change that is due to the lung") for fill in ("grey", "blur")),
        ("Reliance, other patient", "both parts replaced by those of a patient of the other class"),
        ("Source from features", "balanced accuracy of a linear classifier on the last hidden layer"),
        ("By chance", ""),
    ]
    caption = "How much of the answer rests on the lung (1: all, 0: none), and whether the network knows the source"
    return PageTable("reliance", caption, headings, rows, frozenset({1, 2, 3, 4, 6}))


def comparison_table(results: RunResults) -> PageTable:
    """Pairs of models on the same test patients."""
    rows = []
    for _, row in results.comparisons.iterrows():
        names = [text(display_name(results, row[f"{which}_pipeline"])) for which in ("first", "second")]
        if row["reason"]:
            numbers = [text(row["reason"]), text(MISSING), text(MISSING)]
        else:
            difference = signed(row, "difference")
            difference = difference._replace(tone="warn" if difference.tone else "")
            numbers = [decimal(row["first"]), decimal(row["second"]), difference]
        rows.append([*names, whole(row["stage"]), text(MEASURES[row["measure"]]), whole(row["patients"]), *numbers])
    headings = [
        *(("First", ""), ("Second", ""), ("Stage", ""), ("Measure", ""), ("Patients", "in both")),
        *(("First's", ""), ("Second's", ""), ("Difference", "second − first; marked where its interval leaves 0 out")),
    ]
    caption = "Where they look: whole against segmented, scratch against ImageNet, on the same test patients"
    return PageTable("comparisons", caption, headings, rows, frozenset({2, 4, 5, 6, 7}))


def metadata_table(results: RunResults) -> PageTable:
    """What a logistic regression on metadata alone reaches on the test patients."""
    rows = []
    for _, row in results.audit.query("test == 'metadata' and unit == 'patient'").iterrows():
        tone = "warn" if row["value_lo"] > AUC_CHANCE and row["variant"] not in HOLDS_LUNG else ""
        auc = text(row["reason"]) if row["reason"] else _value(row)._replace(tone=tone)
        rows.append([text(row["cohort"]), text(row["framework"]), text(row["variant"]), auc])
    headings = [("Cohort", ""), ("Framework", ""), ("Known", "the facts that the classifier is given")]
    headings.append(("AUC", "by patient; marked where the whole interval lies above 0.5 and the lung is not in it"))
    caption = "What metadata alone tell about the class: a shortcut that a network could take, not one that it took"
    return PageTable("metadata", caption, headings, rows, frozenset({3}))


def randomisation_table(results: RunResults) -> PageTable:
    """Rank correlation of the maps with the trained model's, block by block."""
    found = _wide(results, "randomisation", "rank_correlation", "slice")
    enriched = _wide(results, "randomisation", "enrichment", "slice")
    passes = results.verdicts.set_index(["pipeline", "stage"])["maps_pass"]
    blocks = [block for block in dict.fromkeys(name for rows in found.values() for name in rows.index)]
    blocks = [block for block in blocks if block != FULLY_RANDOMISED] + [FULLY_RANDOMISED]
    rows = []
    for model, table in found.items():
        cells = [_value(table.loc[block]) if block in table.index else text(MISSING) for block in blocks]
        outcome = Cell("passes", tone="good") if passes[model] else Cell("not passed", tone="bad")
        name = [text(display_name(results, model[0])), whole(model[1])]
        rows.append([*name, outcome, *cells, _value(enriched[model].loc[FULLY_RANDOMISED])])
    headings = [*PIPELINE_HEADINGS, ("Grad-CAM", f"passes where the last interval lies below {SIMILAR}")]
    headings += [(block, "re-initialised, with all blocks to the left of it") for block in blocks]
    headings.append(("Enrichment", "of the maps of the network with random weights"))
    caption = "Parameter randomisation: rank correlation of the maps with the trained model's, from the output down"
    return PageTable("randomisation", caption, headings, rows, frozenset({1, *range(3, len(headings))}))


def curve_table(results: RunResults) -> PageTable:
    """Deletion and insertion areas, beside those of random maps."""
    areas = ("map", "random", "map − random")
    turns = {turn: _wide(results, turn, "area", "slice") for turn in ("deletion", "insertion")}
    rows = [
        [
            *(text(display_name(results, model[0])), whole(model[1])),
            *(_value(found[model].loc[area]) for found in turns.values() for area in areas),
        ]
        for model in turns["deletion"]
    ]
    headings = [*PIPELINE_HEADINGS]
    for turn, good in (("Deletion", "below 0 is good"), ("Insertion", "above 0 is good")):
        headings += [(turn, "area under the probability"), ("Random", "a map of random numbers"), ("Difference", good)]
    caption = "Do the hottest pixels carry the answer? Deletion and insertion of pixels in the order of the map"
    return PageTable("curves", caption, headings, rows, frozenset(range(1, len(headings))))


def failed_methods(results: RunResults) -> list[str]:
    """Models whose Grad-CAM is not shown to depend on what was learned."""
    failed = results.verdicts[results.verdicts["maps_pass"] == 0]
    return [f"{display_name(results, row['pipeline'])}, stage {row['stage']}" for _, row in failed.iterrows()]


def _chart(results: RunResults) -> str:
    found = _wide(results, "intervention", "roc_auc", "patient")
    stages = list(dict.fromkeys(stage for _, stage in found))
    panels = {
        f"stage {stage:.0f}": {display_name(results, name): rows for (name, at), rows in found.items() if at == stage}
        for stage in stages
    }
    return swap_chart(panels)
