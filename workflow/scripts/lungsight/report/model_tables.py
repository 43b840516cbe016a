"""The tables about models: how well they do, beside the thesis, what adaptation bought, where they look."""

from collections.abc import Iterable

import pandas as pd

from lungsight.report.page_tables import Cell, PageTable, decimal, text, whole
from lungsight.report.results import RunResults
from lungsight.report.statements import attention_verdict, learned, stand_in_pipelines
from lungsight.report.summary_tables import THESIS_COLUMNS
from lungsight.report.wording import MISSING, STAND_IN_MARK, evaluation_name, evaluation_note, interval, number

PERFORMANCE = {
    "roc_auc": ("AUC", "area under the ROC curve; 0.5 is chance"),
    "accuracy": ("Accuracy", "share classified rightly at 0.5"),
    "recall": ("Recall", "sensitivity: share of the positives that were found"),
    "specificity": ("Specificity", "share of the negatives that were left alone"),
    "precision": ("Precision", "positive predictive value"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "pr_auc": ("PR AUC", "average precision; chance is the share of positives"),
    "brier": ("Brier", "mean squared error of the probability; lower is better"),
    "ece": ("ECE", "expected calibration error; lower is better"),
}
SALIENCY = {
    "lung_mass": ("Lung mass", "share of the map's sum inside the lung"),
    "lung_mass_reference": ("Reference", "the lung mass of a map of exactly the lung, at the map's resolution"),
    "rank_accuracy": ("Rank accuracy", "share of the hottest pixels, as many as the lung has, inside it"),
    "top10": ("Hottest 10 %", "share of the hottest tenth of the image inside the lung"),
    "iou": ("IoU", "overlap of the hot region with the lung"),
    "auc": ("Localisation AUC", "0.5: lung pixels are no hotter than others"),
}


def roles(results: RunResults) -> dict[str, str]:
    """Cohort → role."""
    return {cohort["name"]: cohort["role"] for cohort in results.facts["cohorts"]}


def display_name(results: RunResults, pipeline: str) -> str:
    """A pipeline's name, marked where it started from stand-in weights."""
    return f"{pipeline} {STAND_IN_MARK}" if pipeline in stand_in_pipelines(results) else pipeline


def _evaluated(results: RunResults, row: pd.Series) -> list[Cell]:
    note = evaluation_note(row["stage"], roles(results)[row["cohort"]])
    evaluation = Cell(evaluation_name(row["stage"], row["cohort"]), note=note)
    return [text(display_name(results, row["pipeline"])), evaluation]


def _measured(row: pd.Series, metrics: Iterable[str]) -> list[Cell]:
    return [decimal(row[name])._replace(note=interval(row, name)) for name in metrics]


def performance_table(results: RunResults, unit: str) -> PageTable:
    """Every evaluation by slice or by patient."""
    rows = []
    for _, row in results.metrics[results.metrics["unit"] == unit].iterrows():
        auc, *others = _measured(row, PERFORMANCE)
        tone = {True: "good", False: "warn", None: ""}[learned(row)]
        rows.append([*_evaluated(results, row), whole(row["n"]), auc._replace(tone=tone), *others])
    headings = [("Pipeline", ""), ("Evaluation", "")]
    headings += [("n", f"test {unit}s"), *PERFORMANCE.values()]
    caption = f"By {unit}, test split; below each number its 95 % interval over patients"
    return PageTable(f"performance-{unit}", caption, headings, rows, frozenset(range(2, 3 + len(PERFORMANCE))))


def thesis_table(results: RunResults) -> PageTable:
    """Our slice-level numbers beside the thesis's, under their right names."""
    pairs = {column.removeprefix("thesis_"): column for column in THESIS_COLUMNS.values()}
    notes = results.thesis.assign(
        pipeline=results.thesis["framework"] + "-" + results.thesis["backbone"] + "-" + results.thesis["weights"]
    ).set_index(["pipeline", "stage"])["note"]
    rows = []
    for _, row in results.metrics[results.metrics["thesis_accuracy"].notna()].iterrows():
        cells = []
        for metric, column in pairs.items():
            cells += [*_measured(row, [metric]), decimal(row[column], 3)]
        note = notes[row["pipeline"], row["stage"]]
        rows.append([*_evaluated(results, row), whole(row["n"]), *cells, text(note)])
    headings = [("Pipeline", ""), ("Evaluation", ""), ("n", "our test slices")]
    for metric in pairs:
        title = PERFORMANCE[metric][0]
        headings += [(title, "ours"), (f"{title}, thesis", "on the thesis's data")]
    headings.append(("Where it stands in the thesis", ""))
    return PageTable(
        "thesis", "By slice, beside the thesis's numbers", headings, rows, frozenset(range(2, 3 + 2 * len(pairs)))
    )


def adaptation_table(results: RunResults) -> PageTable:
    """Stage 1 against stage 2 on the target cohort's test patients."""
    headings = [("Pipeline", ""), ("Unit", ""), ("n", "")]
    metrics = ("roc_auc", "accuracy", "recall", "specificity")
    for name in metrics:
        title = PERFORMANCE[name][0]
        headings += [(f"{title} before", "stage 1"), (f"{title} after", "stage 2"), ("Gain", "after − before")]
    target = results.metrics[results.metrics["cohort"].map(roles(results)) == "target"]
    rows = []
    for (pipeline, unit), pair in target.groupby(["pipeline", "unit"], sort=False):
        by_stage = pair.set_index("stage")
        if not {1, 2} <= set(by_stage.index):
            continue
        cells = []
        for name in metrics:
            gain = by_stage.loc[2, name] - by_stage.loc[1, name]
            before, after = (_measured(by_stage.loc[stage], [name])[0] for stage in (1, 2))
            gain_text = MISSING if pd.isna(gain) else f"{gain:+.2f}".replace("-", "−")
            cells += [before, after, Cell(gain_text, None if pd.isna(gain) else float(gain))]
        row = [text(display_name(results, pipeline)), text(unit), whole(by_stage.loc[2, "n"])]
        rows.append([*row, *cells])
    return PageTable(
        "adaptation",
        "The target cohort's test split, before and after training on that cohort",
        headings,
        rows,
        frozenset(range(2, 3 + 3 * len(metrics))),
    )


def saliency_table(results: RunResults) -> PageTable:
    """One row per model, all outcomes together, with the verdict in words."""
    rows = []
    for _, row in results.saliency[results.saliency["outcome"] == "all"].iterrows():
        verdict = attention_verdict(row)
        enrichment = _measured(row, ["enrichment"])[0]._replace(tone=verdict.tone)
        empty = whole(row["n_empty"])._replace(tone="warn" if row["n_empty"] else "")
        name = [text(display_name(results, row["pipeline"])), whole(row["stage"])]
        rows.append([*name, whole(row["n"]), empty, enrichment, text(verdict.text), *_measured(row, SALIENCY)])
    headings = [("Pipeline", ""), ("Stage", ""), ("n", "test slices"), ("Empty", "maps that are zero everywhere")]
    headings += [("Enrichment", "lung mass over the lung's share of the image; 1 is chance"), ("In words", "")]
    headings += SALIENCY.values()
    return PageTable(
        "saliency",
        "Grad-CAM against the lung mask, test slices; below each number its 95 % interval over patients",
        headings,
        rows,
        frozenset({*range(1, 5), *range(6, 6 + len(SALIENCY))}),
    )


def outcome_table(results: RunResults) -> PageTable:
    """Enrichment and lung mass by outcome."""
    rows = []
    for _, row in results.saliency[results.saliency["outcome"] != "all"].iterrows():
        name = [text(display_name(results, row["pipeline"])), whole(row["stage"]), text(row["outcome"])]
        counts = [whole(row["n"]), whole(row["n_patients"]), whole(row["n_empty"])]
        rows.append([*name, *counts, *_measured(row, ["enrichment", "lung_mass", "auc"])])
    headings = [("Pipeline", ""), ("Stage", ""), ("Outcome", "TP, TN: right; FP, FN: wrong"), ("n", "slices")]
    headings += [("Patients", ""), ("Empty", ""), ("Enrichment", ""), SALIENCY["lung_mass"], SALIENCY["auc"]]
    return PageTable("outcomes", "Where right and wrong answers look", headings, rows, frozenset({1, *range(3, 9)}))


def method_table(results: RunResults) -> PageTable:
    """The methods of each model's summary.json side by side."""
    rows = []
    for (pipeline, stage), summary in results.summaries.items():
        for method in summary["methods"]:
            overall = pd.Series(method["outcomes"][0], dtype=object)
            size = "×".join(map(str, method["map_size"]))
            name = [text(display_name(results, pipeline)), whole(stage), text(method["method"])]
            what = [text(method["layer"]), text(method["explained"]), text(size)]
            empty = whole(method["n_empty"])._replace(tone="warn" if method["n_empty"] else "")
            rows.append([*name, *what, whole(method["n"]), empty, *_measured(overall, ["enrichment", "lung_mass"])])
    headings = [("Pipeline", ""), ("Stage", ""), ("Method", ""), ("Layer", ""), ("Output", ""), ("Map", "pixels")]
    headings += [
        ("n", "test slices"),
        ("Empty", "maps that are zero everywhere"),
        ("Enrichment", ""),
        ("Lung mass", ""),
    ]
    return PageTable(
        "methods",
        "Grad-CAM as measured here, and as the thesis's library computes it by default",
        headings,
        rows,
        frozenset({1, *range(6, 10)}),
    )


def provenance_table(results: RunResults) -> PageTable:
    """What each model started from and was trained on."""
    rows = []
    for (pipeline, stage), found in results.provenance.items():
        start, images = found["weights"], found["images"]
        digest = text(start["sha256"][:12]) if start["sha256"] else text(MISSING)
        cells = [text(start["kind"]), digest, whole(images["train"]), whole(images["val"])]
        history = results.histories[pipeline, stage]
        seconds = number(history["seconds"].sum(), 0)
        trained = [whole(len(history)), Cell(seconds, float(history["seconds"].sum())), text(found["preprocessing"])]
        rows.append([text(display_name(results, pipeline)), whole(stage), *cells, *trained])
    headings = [("Pipeline", ""), ("Stage", ""), ("Started from", ""), ("SHA-256", "first digits, of those weights")]
    headings += [("Train", "slices"), ("Val", "slices"), ("Epochs", ""), ("Seconds", ""), ("Preprocessing", "")]
    return PageTable("models", "What each model is made of", headings, rows, frozenset({1, 4, 5, 6, 7}))
