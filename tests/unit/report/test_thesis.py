"""Our numbers beside the thesis."""

import numpy as np
import pytest

from lungsight.report.results import RunResults
from lungsight.report.sections.thesis import thesis_table
from tests.factories.results import metrics_where


def test_the_thesis_stands_beside_ours_under_its_right_names(results: RunResults) -> None:
    table = thesis_table(results)
    titles = [title for title, _ in table.headings]
    first = dict(zip(titles, table.rows[0], strict=True))
    assert first["Pipeline"].text == "whole-resnet50-scratch"
    assert (first["Precision, thesis"].text, first["Recall, thesis"].text) == ("0.679", "0.926")
    assert len(table.rows) == 4


@pytest.mark.parametrize(
    ("low", "high", "words", "tone"),
    [(0.7, 0.8, "covered", ""), (0.8, 0.9, "not covered", "warn"), (np.nan, np.nan, "no interval", "")],
)
def test_the_thesis_table_says_whether_our_interval_covers_its_number(
    results: RunResults, low: float, high: float, words: str, tone: str
) -> None:
    """The first row is whole-resnet50-scratch, stage 1: 0.73 in the thesis."""
    table = thesis_table(metrics_where(results, accuracy=0.75, accuracy_lo=low, accuracy_hi=high))
    titles = [title for title, _ in table.headings]
    cell = dict(zip(titles, table.rows[0], strict=True))["Accuracy, difference"]
    assert (cell.text, cell.note, cell.tone) == ("+0.02", words, tone)
    assert cell.sort == pytest.approx(0.02)
