"""Write the page of the transfer study: one picture, one table, and what they say."""

from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from lungsight import __version__
from lungsight.evaluation.replicates import FEWEST_SPLITS
from lungsight.evaluation.transfer_study.settings import ALL, ENTROPY, ONE_STAGE, RANDOM, TWO_STAGES
from lungsight.evaluation.transfer_study.summary import AUC, BY_ENTROPY, BY_STAGES
from lungsight.report.components import Cell, PageTable, Row, Statement, decimal, text, whole
from lungsight.report.heat_map import HeatMap, heat_maps
from lungsight.report.rendering import render
from lungsight.report.templates import TRANSFER_TEMPLATE
from lungsight.wording import count, number

STARTS = {TWO_STAGES: "two stages: from the model of stage 1", ONE_STAGE: "one stage: from the start of stage 1"}
SELECTIONS = {ALL: "all slices", RANDOM: "random slices", ENTROPY: "slices of highest entropy"}
COMPARISONS = {
    BY_ENTROPY: "slices of highest entropy minus as many random ones",
    BY_STAGES: "two stages minus one",
}


def trained_words(frozen: int, blocks: int) -> str:
    """Say which part of a network is trained."""
    if frozen == blocks:
        return "the head alone"
    if not frozen:
        return "all"
    first = frozen + 1
    return f"block {first} and head" if first == blocks else f"blocks {first}–{blocks} and head"


def render_transfer(title: str, trainings: pd.DataFrame, summary: pd.DataFrame) -> str:
    """Render the page. title: of the run. trainings, summary: transfer_study.tsv and transfer_summary.tsv."""
    first = summary.iloc[0]
    draws = int(trainings["draw"].max())
    return render(
        TRANSFER_TEMPLATE,
        {
            "title": title,
            "version": __version__,
            "pipeline": first["pipeline"],
            "cohort": first["cohort"],
            "trainings": count(len(trainings), "training"),
            "draws": count(draws, "draw"),
            "statements": statements(summary),
            "chart": Markup(transfer_chart(summary)),
            "caption": "AUC by patient on the test subset of "
            f"{first['cohort']}: mean over {count(draws, 'draw')}, below it the smallest and the largest. Darker is"
            " higher, on one scale for all panels.",
            "table_of_cells": transfer_table(summary),
            "interval": f"From {FEWEST_SPLITS} draws on, the table also has the 95 % t interval of the mean.",
        },
    )


def transfer_chart(summary: pd.DataFrame) -> str:
    """Draw how deep (from above: more is trained) against how many patients, a panel for each start."""
    grid = summary[(summary["quantity"] == AUC) & (summary["selection"] == ALL)]
    depths, patients = (sorted(grid[name].unique()) for name in ("frozen_blocks", "patients"))
    blocks = int(grid["blocks"].iloc[0])
    panels = []
    for start in grid["start"].unique():
        cells = grid[grid["start"] == start].set_index(["frozen_blocks", "patients"])
        wide = cells.reindex(pd.MultiIndex.from_product([depths, patients]))
        shape = (len(depths), len(patients))
        notes = np.array([_ends(row, "min", "max") for row in wide.to_dict("records")], dtype=object).reshape(shape)
        panels.append(HeatMap(STARTS[start], wide["mean"].to_numpy(np.float64).reshape(shape), notes.tolist()))
    rows = [trained_words(int(depth), blocks) for depth in depths]
    return heat_maps(panels, rows, [str(int(each)) for each in patients], ("training patients", "what is trained"))


def _ends(row: Row, low: str, high: str) -> str:
    if pd.isna(row[low]):
        return ""
    between = " to " if row[low] < 0 else "–"
    return f"{number(row[low])}{between}{number(row[high])}".replace("-", "−")


def transfer_table(summary: pd.DataFrame) -> PageTable:
    """Show transfer_summary.tsv: a row for each cell, and for each comparison."""
    headings = [
        ("Measured", "the AUC by patient, or a difference of two AUCs of one draw"),
        ("Start", ""),
        ("Trained", "the other blocks are frozen"),
        ("Patients", "training patients"),
        ("Slices", "training slices: which, and how many, mean over draws"),
        ("Mean", "over draws; below it the 95 % t interval of the mean, from five draws on"),
        ("SD", "standard deviation over draws"),
        ("Range", "smallest and largest over draws"),
        ("Draws", ""),
    ]
    return PageTable("transfer-study", "All cells and comparisons", headings, [_line(row) for row in _rows(summary)])


def _line(row: Row) -> list[Cell]:
    one_start = row["quantity"] == BY_STAGES
    one_selection = row["quantity"] == BY_ENTROPY
    return [
        text(COMPARISONS.get(row["quantity"], "AUC")),
        text("both" if one_start else STARTS[row["start"]].partition(":")[0]),
        text(trained_words(row["frozen_blocks"], row["blocks"])),
        whole(row["patients"]),
        decimal(row["slices"], 0)._replace(note="" if one_selection else SELECTIONS[row["selection"]]),
        _signed(decimal(row["mean"])._replace(note=_ends(row, "mean_lo", "mean_hi"))),
        decimal(row["sd"]),
        text(_ends(row, "min", "max")),
        whole(row["draws"]),
    ]


def _signed(cell: Cell) -> Cell:
    return cell._replace(text=cell.text.replace("-", "−"))


def _rows(summary: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in summary.to_dict("records")]


def statements(summary: pd.DataFrame) -> list[Statement]:
    """Say which cell is best, and what the comparisons show; a difference counts where its interval leaves out 0."""
    grid = summary[(summary["quantity"] == AUC) & (summary["selection"] == ALL)].dropna(subset=["mean"])
    found = [_best(grid)] if len(grid) else [Statement("warn", "No cell could be measured: a subset lacks a class.")]
    for quantity in (BY_STAGES, BY_ENTROPY):
        rows = _rows(summary[summary["quantity"] == quantity].dropna(subset=["mean"]))
        if rows:
            found.append(_compared(quantity, rows))
    return found


def _best(grid: pd.DataFrame) -> Statement:
    best = grid.iloc[int(grid["mean"].to_numpy().argmax())]
    return Statement(
        "plain",
        f"The highest mean AUC is {number(best['mean'])} ({_ends(best, 'min', 'max')} over draws), with"
        f" {count(int(best['patients']), 'patient')}, trained: {trained_words(best['frozen_blocks'], best['blocks'])};"
        f" {STARTS[best['start']].partition(':')[0]}. It is the best of {count(len(grid), 'cell')} on the same test"
        " patients, so it is too good. Compare cells, and choose on other patients.",
    )


def _compared(quantity: str, rows: list[dict[str, Any]]) -> Statement:
    words = COMPARISONS[quantity]
    if all(pd.isna(row["mean_lo"]) for row in rows):
        shown = "; ".join(
            f"{row['mean']:+.2f} with {count(row['patients'], 'patient')}, trained:"
            f" {trained_words(row['frozen_blocks'], row['blocks'])}"
            for row in rows
        )
        sentence = (
            f"{words[0].upper()}{words[1:]}: {shown}. With fewer than {FEWEST_SPLITS} draws there is no interval."
        )
        return Statement("plain", sentence.replace("-", "−"))
    above, below = (
        sum(bool(row["mean_lo"] > 0) for row in rows),
        sum(bool(row["mean_hi"] < 0) for row in rows),
    )
    return Statement(
        "plain",
        f"{words[0].upper()}{words[1:]}: the interval over draws lies above 0 in {above} of"
        f" {count(len(rows), 'comparison')}, below 0 in {below}.",
    )
