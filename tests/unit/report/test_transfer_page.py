"""The page of the transfer study: its picture is readable without colours, its sentences follow the table."""

import re

import numpy as np
import pandas as pd
import pytest

from lungsight.evaluation.transfer_study.settings import ALL, ENTROPY, ONE_STAGE, RANDOM, TWO_STAGES
from lungsight.evaluation.transfer_study.summary import summary_rows
from lungsight.report.heat_map import INK, PAPER, HeatMap, heat_maps
from lungsight.report.transfer_page import render_transfer, statements, trained_words, transfer_chart, transfer_table


def made_trainings(draws: int, gain: float = 0.2) -> pd.DataFrame:
    """AUCs that rise with patients; after two stages they are higher by `gain`, and so are those by entropy."""
    cells = [(start, depth, number, ALL) for start in (TWO_STAGES, ONE_STAGE) for depth in (0, 4) for number in (2, 8)]
    cells += [(TWO_STAGES, 0, number, kind) for number in (2, 8) for kind in (RANDOM, ENTROPY)]
    rows = [
        {
            **{"pipeline": "whole-small_cnn-imagenet", "cohort": "hospital", "start": start, "frozen_blocks": depth},
            **{"blocks": 4, "patients": number, "draw": draw, "selection": kind, "slices": number, "epochs": 1},
            "val_roc_auc": 0.5,
            "roc_auc": 0.5
            + number / 100
            + draw / 1000
            + gain * (start == TWO_STAGES and kind != RANDOM)
            + (draw == 1) * (kind == ENTROPY) / 1000,
        }
        for start, depth, number, kind in cells
        for draw in range(1, draws + 1)
    ]
    return pd.DataFrame(rows)


def summary_of(trainings: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(summary_rows(trainings)).astype({"mean": float})


@pytest.mark.parametrize(
    ("frozen", "words"),
    [(0, "all"), (2, "blocks 3–5 and head"), (4, "block 5 and head"), (5, "the head alone")],
)
def test_what_is_trained_in_words(frozen, words):
    assert trained_words(frozen, 5) == words


def test_the_picture_writes_every_mean_and_range():
    summary = summary_of(made_trainings(5))
    drawn = re.findall(r">([^<>]+)</text>", transfer_chart(summary))
    grid = summary[(summary["quantity"] == "roc_auc") & (summary["selection"] == ALL)]
    assert len(grid) == 8
    for row in grid.to_dict("records"):
        assert f"{row['mean']:.2f}" in drawn
        assert f"{row['min']:.2f}–{row['max']:.2f}" in drawn
    assert {"all", "the head alone", "2", "8"} <= set(drawn)


def test_numbers_stand_out_from_their_cell_and_a_missing_cell_is_empty():
    values = np.array([[0.5, np.nan], [0.75, 1.0]])
    svg = heat_maps([HeatMap("one", values, [["a", ""], ["b", "c"]])], ["x", "y"], ["1", "2"], ("columns", "rows"))
    numbers = re.findall(r'<text style="([^"]*)"[^>]*>([01]\.\d\d)</text>', svg)
    colours = {number: re.search(r"fill: (#[0-9a-f]{6})", style)[1] for style, number in numbers}
    assert colours == {"0.50": INK, "0.75": INK, "1.00": PAPER}
    assert "nan" not in svg


def test_the_table_has_a_line_for_each_cell_and_comparison():
    summary = summary_of(made_trainings(5))
    rows = transfer_table(summary).rows
    assert len(rows) == len(summary) == 12 + 2 + 4
    by_entropy, *_ = [row for row in rows if row[0].text.startswith("slices of highest entropy")]
    assert by_entropy[5].text == "0.20"
    assert by_entropy[1].text == "two stages"


def test_statements_count_the_comparisons_beside_0():
    better, worse = (
        " ".join(each.text for each in statements(summary_of(made_trainings(5, gain)))) for gain in (0.2, -0.2)
    )
    assert "The highest mean AUC is 0.78 (0.78–0.78 over draws), with 8 patients" in better
    assert "Two stages minus one: the interval over draws lies above 0 in 4 of 4 comparisons, below 0 in 0." in better
    assert "above 0 in 0 of 4 comparisons, below 0 in 4." in worse
    few = " ".join(each.text for each in statements(summary_of(made_trainings(2, -0.2))))
    assert "Two stages minus one: −0.20 with 2 patients, trained: all; −0.20 with 8 patients, trained: all;" in few
    assert "With fewer than 5 draws there is no interval." in few


def test_without_a_value_the_page_says_so():
    trainings = made_trainings(2).assign(roc_auc=np.nan)
    page = render_transfer("A run <b>", trainings, summary_of(trainings))
    assert "No cell could be measured" in page
    assert "A run &lt;b&gt;" in page
