"""The tables about models: how well they do, beside the thesis, what adaptation bought, where they look."""

from collections.abc import Iterable

import pandas as pd

from lungsight.evaluation.tables import THESIS_COLUMNS
from lungsight.report.components import Cell, PageTable, decimal, text, whole
from lungsight.report.results import RunResults
from lungsight.report.statements import learned, stand_in_pipelines
from lungsight.wording import MISSING, STAND_IN_MARK, evaluation_name, evaluation_note, interval, number

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
# What adaptation is measured by, and the two steps that report/differences.tsv compares: (before, after).
ADAPTED = ("roc_auc", "accuracy", "recall", "specificity")
STEPS = {"adaptation": ("stage 1", "stage 2"), "stage 1 first": ("stage 2 alone", "stages 1 and 2")}
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


def evaluated(results: RunResults, row: pd.Series) -> list[Cell]:
    """Which model, tested on what."""
    note = evaluation_note(row["stage"], roles(results)[row["cohort"]])
    evaluation = Cell(evaluation_name(row["stage"], row["cohort"]), note=note)
    return [text(display_name(results, row["pipeline"])), evaluation]


def measured(row: pd.Series, metrics: Iterable[str]) -> list[Cell]:
    """Metrics of a row, below each its interval."""
    return [decimal(row[name])._replace(note=interval(row, name)) for name in metrics]


def signed(row: pd.Series, name: str) -> Cell:
    """A difference with its sign; below it its interval, whose side of 0 gives the tone."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_lo", "_hi"))
    if pd.isna(value):
        return Cell(MISSING)
    tone = "good" if low > 0 else "bad" if high < 0 else ""
    between = "" if pd.isna(low) else f"{low:+.2f} to {high:+.2f}"
    return Cell(f"{value:+.2f}".replace("-", "−"), float(value), tone, between.replace("-", "−"))


def performance_table(results: RunResults, unit: str) -> PageTable:
    """Every evaluation by slice or by patient."""
    rows = []
    for _, row in results.metrics[results.metrics["unit"] == unit].iterrows():
        auc, *others = measured(row, PERFORMANCE)
        tone = {True: "good", False: "warn", None: ""}[learned(row)]
        rows.append([*evaluated(results, row), whole(row["n"]), auc._replace(tone=tone), *others])
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
        cells = [cell for metric, column in pairs.items() for cell in _beside(row, metric, column)]
        note = notes[row["pipeline"], row["stage"]]
        rows.append([*evaluated(results, row), whole(row["n"]), *cells, text(note)])
    headings = [("Pipeline", ""), ("Evaluation", ""), ("n", "our test slices")]
    for metric in pairs:
        title = PERFORMANCE[metric][0]
        headings += [(title, "ours"), (f"{title}, thesis", "on the thesis's data")]
        headings.append((f"{title}, difference", "ours − thesis, and whether our interval covers the thesis's number"))
    headings.append(("Where it stands in the thesis", ""))
    return PageTable(
        "thesis", "By slice, beside the thesis's numbers", headings, rows, frozenset(range(2, 3 + 3 * len(pairs)))
    )


def _beside(row: pd.Series, metric: str, column: str) -> list[Cell]:
    """Our number, the thesis's, and how far they are apart."""
    ours, thesis = row[metric], row[column]
    low, high = row[f"{metric}_lo"], row[f"{metric}_hi"]
    cells = [*measured(row, [metric]), decimal(thesis, 3)]
    if pd.isna(ours) or pd.isna(thesis):
        return [*cells, Cell(MISSING)]
    covered = bool(low <= thesis <= high)
    note = "no interval" if pd.isna(low) else "covered" if covered else "not covered"
    difference = f"{ours - thesis:+.2f}".replace("-", "−")
    return [*cells, Cell(difference, float(ours - thesis), "warn" if note == "not covered" else "", note)]


def adaptation_table(results: RunResults) -> PageTable:
    """What training on the target cohort bought, and what stage 1 did before it, on the target's test patients."""
    headings = [("Pipeline", ""), ("Unit", ""), ("n", ""), ("Before", ""), ("After", "")]
    for name in ADAPTED:
        title = PERFORMANCE[name][0]
        headings += [(f"{title} before", ""), (f"{title} after", ""), ("Gain", "after − before, on the same patients")]
    headings.append(("p, corrected", "of the AUC's gain, two-sided, by Holm over the pipelines"))
    table = results.evaluation["differences"]
    target = table[table["comparison"].isin(STEPS) & (table["cohort"].map(roles(results)) == "target")]
    rows = []
    keys = ["comparison", "first_pipeline", "unit"]
    for (comparison, pipeline, unit), metrics in target.groupby(keys, sort=False):
        by_metric = metrics.set_index("metric")
        cells = []
        for name in ADAPTED:
            row = by_metric.loc[name]
            cells += [decimal(row["first"]), decimal(row["second"]), signed(row, "difference")]
        p_holm = by_metric.loc["roc_auc", "p_holm"]
        identity = [text(display_name(results, pipeline)), text(unit), whole(by_metric["n"].iloc[0])]
        rows.append([*identity, *map(text, STEPS[comparison]), *cells, decimal(p_holm, 3)])
    return PageTable(
        "adaptation",
        "The target cohort's test split, before and after; below each gain its 95 % interval over patients",
        headings,
        rows,
        frozenset({2, *range(5, 6 + 3 * len(ADAPTED))}),
    )


def saliency_table(results: RunResults) -> PageTable:
    """One row per model, all outcomes together."""
    rows = []
    for _, row in results.saliency[results.saliency["outcome"] == "all"].iterrows():
        enrichment = measured(row, ["enrichment"])[0]
        tone = "good" if row["enrichment_lo"] > 1 else "bad" if row["enrichment_hi"] < 1 else ""
        empty = whole(row["n_empty"])._replace(tone="warn" if row["n_empty"] else "")
        name = [text(display_name(results, row["pipeline"])), whole(row["stage"])]
        rows.append([*name, whole(row["n"]), empty, enrichment._replace(tone=tone), *measured(row, SALIENCY)])
    headings = [("Pipeline", ""), ("Stage", ""), ("n", "test slices"), ("Empty", "maps that are zero everywhere")]
    headings.append(("Enrichment", "lung mass over the lung's share of the image; 1 is chance"))
    headings += SALIENCY.values()
    return PageTable(
        "saliency",
        "Grad-CAM against the lung mask, test slices; below each number its 95 % interval over patients",
        headings,
        rows,
        frozenset(range(1, 5 + len(SALIENCY))),
    )


def outcome_table(results: RunResults) -> PageTable:
    """Enrichment and lung mass by outcome."""
    rows = []
    for _, row in results.saliency[results.saliency["outcome"] != "all"].iterrows():
        name = [text(display_name(results, row["pipeline"])), whole(row["stage"]), text(row["outcome"])]
        counts = [whole(row["n"]), whole(row["n_patients"]), whole(row["n_empty"])]
        rows.append([*name, *counts, *measured(row, ["enrichment", "lung_mass", "auc"])])
    headings = [("Pipeline", ""), ("Stage", ""), ("Outcome", "TP, TN: right; FP, FN: wrong"), ("n", "slices")]
    headings += [("Patients", ""), ("Empty", ""), ("Enrichment", ""), SALIENCY["lung_mass"], SALIENCY["auc"]]
    return PageTable("outcomes", "Where right and wrong answers look", headings, rows, frozenset({1, *range(3, 9)}))


def provenance_table(results: RunResults) -> PageTable:
    """What each model started from and was trained on."""
    rows = []
    for (pipeline, stage), found in results.provenance.items():
        start, images = found["weights"], found["images"]
        digest = text(start["sha256"][:12]) if start["sha256"] else text(MISSING)
        cells = [text(start["kind"]), digest, whole(images["train"]), whole(images["val"])]
        history = results.histories[pipeline, stage]
        seconds = number(history["seconds"].sum(), 0)
        kept = history.loc[history["kept"] == 1, "epoch"].iloc[0]
        epochs = whole(len(history))._replace(note=f"{history['stopped'].iloc[-1]}, epoch {kept} kept")
        trained = [epochs, Cell(seconds, float(history["seconds"].sum())), text(found["preprocessing"])]
        rows.append([text(display_name(results, pipeline)), whole(stage), *cells, *trained])
    headings = [("Pipeline", ""), ("Stage", ""), ("Started from", ""), ("SHA-256", "first digits, of those weights")]
    headings += [("Train", "slices"), ("Val", "slices"), ("Epochs", ""), ("Seconds", ""), ("Preprocessing", "")]
    return PageTable("models", "What each model is made of", headings, rows, frozenset({1, 4, 5, 6, 7}))
