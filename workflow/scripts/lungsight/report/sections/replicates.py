"""Replicates: how far results and maps depend on the seed: report/replicates.tsv."""

from collections.abc import Iterator
from typing import Any

from lungsight.audit.replicate_table import ABOVE_RANDOM, RANK
from lungsight.report.components import (
    Cell,
    PageTable,
    Row,
    Statement,
    audit_estimate,
    decimal,
    estimate,
    missing,
    text,
    whole,
)
from lungsight.report.headings import EVALUATION, PIPELINE
from lungsight.report.replicate_cautions import OTHER, first_places, in_words, maps_by_chance
from lungsight.report.replicate_chart import Band, bands_chart
from lungsight.report.results import RunResults, last_stage
from lungsight.wording import count, evaluation_name, number

# Numbers of pairs of maps that the table shows.
PAIRS = {
    "repeatability_spearman": ("Repeatability", "rank correlation of maps of two replicates"),
    "repeatability_ssim": ("its SSIM", "structural similarity of the same maps"),
    "reproducibility_spearman": ("Reproducibility", "rank correlation with the maps of other backbones"),
    "random_networks_spearman": ("Random networks", "rank correlation of maps of two networks with random weights"),
    "average_lung_spearman": ("Average lung", "rank correlation of the maps with the average lung mask"),
}
SHOWN_IN_CHART = {
    "repeatability_spearman": "other seeds",
    "reproducibility_spearman": "other backbones",
    "random_networks_spearman": "random networks",
}
FEW = 3  # replicates, below which a standard deviation says little


def section(results: RunResults) -> dict[str, Any] | None:
    """Give statements, chart and tables; None where every pipeline was trained once."""
    if results.replicates.empty:
        return None
    return {
        "replicates": results.run["replicates"],
        "differ": OTHER[results.run["splits_repeat"]],
        "own_splits": results.run["splits_repeat"],
        "statements": [*_statements(results)],
        "chart_of_replicates": replicates_chart(results),
        "performance": performance_table(results),
        "maps": maps_table(results),
    }


def _statements(results: RunResults) -> Iterator[Statement]:
    if results.run["replicates"] < FEW:
        yield Statement(
            "plain",
            f"{count(results.run['replicates'], 'replicate')}: enough to see that something differs, too few to say how"
            " much it does.",
        )
    for place in first_places(results):
        yield Statement("good" if place.stable else "warn", in_words(results, place))
    yield from maps_by_chance(results)


def by_metric(results: RunResults) -> dict[tuple[str, int], dict[str, Row]]:
    """Give the rows of each model on the cohort of its stage, by patient where a metric has two units; by metric."""
    table = results.on_training_cohort(results.replicates)
    of_pixels = ~table["metric"].isin(set(table.loc[table["unit"] == "patient", "metric"]))
    rows = table[(table["unit"] == "patient") | of_pixels].sort_values("stage", ascending=False, kind="stable")
    found: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows.to_dict("records"):
        found.setdefault((row["pipeline"], row["stage"]), {})[str(row["metric"])] = row
    return found


def _model(results: RunResults, model: tuple[str, int], rows: dict[str, Row]) -> list[Cell]:
    return [text(results.display_name(model[0])), text(evaluation_name(model[1], rows[RANK]["cohort"]))]


def spread_cell(row: Row) -> Cell:
    """Show a mean over replicates, below it the standard deviation."""
    return decimal(row["mean"])._replace(note=f"sd {number(row['sd'])}")


def range_cell(row: Row, digits: int = 2) -> Cell:
    """Show the smallest and the largest value."""
    ends = [number(row[name], digits).replace("-", "−") for name in ("min", "max")]
    return Cell(ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}", float(row["min"]))


def performance_table(results: RunResults) -> PageTable:
    """Show the AUC of the run's own model with its interval, and what the replicates give."""
    rows = [
        [
            *_model(results, model, of_model),
            estimate(of_model["roc_auc"], "value"),
            spread_cell(of_model["roc_auc"]),
            range_cell(of_model["roc_auc"]),
            whole(of_model[RANK]["value"]),
            range_cell(of_model[RANK], 0)._replace(
                tone="" if of_model[RANK]["min"] == of_model[RANK]["max"] else "warn"
            ),
            spread_cell(of_model["accuracy"]),
        ]
        for model, of_model in by_metric(results).items()
    ]
    headings = [
        *(PIPELINE, EVALUATION, ("AUC", "of this run's model; below it the 95 % interval over patients")),
        *(("Mean", "AUC over replicates"), ("Range", "smallest and largest AUC over replicates")),
        *(("Rank", "in this run"), ("Ranks", "smallest and largest over replicates")),
        ("Accuracy", "mean over replicates"),
    ]
    caption = "How far results depend on the seed, by patient"
    return PageTable("replicates", caption, headings, rows)


def maps_table(results: RunResults) -> PageTable:
    """Show how alike maps are, beside what chance gives, and the spread of lung mass."""
    rows = [
        [
            *_model(results, model, of_model),
            *(
                audit_estimate(of_model[name])._replace(note=f"sd {number(of_model[name]['sd'])}")
                if name in of_model
                else missing("one backbone" if name.startswith("reprod") else "")
                for name in PAIRS
            ),
            _above_chance(of_model[ABOVE_RANDOM]),
            spread_cell(of_model["lung_mass"]),
            range_cell(of_model["lung_mass"]),
        ]
        for model, of_model in by_metric(results).items()
        if ABOVE_RANDOM in of_model
    ]
    headings = [
        *(PIPELINE, EVALUATION, *PAIRS.values()),
        ("Above chance", "repeatability minus what as many random networks exceed once in twenty times"),
        *(("Lung mass", "mean over replicates"), ("Range", "smallest and largest lung mass over replicates")),
    ]
    caption = "How far maps depend on the seed and on the backbone; below a number its sd over pairs or replicates"
    return PageTable("map-stability", caption, headings, rows)


def _above_chance(row: Row) -> Cell:
    return audit_estimate(row)._replace(tone="good" if row["value_lo"] > 0 else "bad")


def replicates_chart(results: RunResults) -> str:
    """Draw, for the last stage, interval and range of the AUC, and how alike maps are."""
    stages = last_stage(results.replicates)["stage"]
    models = {model: rows for model, rows in by_metric(results).items() if model[1] == stages.iloc[0]}
    names = [results.display_name(name) for name, _ in models]
    aucs = [rows["roc_auc"] for rows in models.values()]
    of_auc = {
        "95 % interval over patients": [Band(row["value"], row["value_lo"], row["value_hi"]) for row in aucs],
        "range over replicates": [Band(row["mean"], row["min"], row["max"]) for row in aucs],
    }
    of_maps = {
        words: [
            Band(*(rows[name][end] for end in ("mean", "min", "max"))) if name in rows else Band()
            for rows in models.values()
        ]
        for name, words in SHOWN_IN_CHART.items()
    }
    return bands_chart(names, [("AUC by patient", of_auc, 0.5), ("rank correlation of maps", of_maps, 0.0)])
