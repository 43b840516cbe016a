"""Confusion matrices."""

import pytest

from lungsight.report.results import RunResults
from lungsight.report.sections.confusion_matrices import confusion_matrices


def test_confusion_rows_sum_to_one_and_are_the_tables_counts(results: RunResults) -> None:
    matrices = confusion_matrices(results)
    rows = results.metrics[results.metrics["unit"] == "slice"]
    assert len(matrices) == len(rows) == 6
    for matrix, row in zip(matrices, rows.itertuples(), strict=True):
        (tp, fn), (fp, tn) = [[n for n, _ in line] for line in matrix["lines"]]
        assert (tp, fn, fp, tn) == (row.tp, row.fn, row.fp, row.tn)
        for line in matrix["lines"]:
            assert sum(share for _, share in line) == pytest.approx(1)
