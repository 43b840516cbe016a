"""Subgroups, where the test slices differ in something."""

import pandas as pd

from lungsight.report.results import RunResults
from lungsight.report.sections.subgroups import subgroup_table
from tests.factories.results import changed


def test_without_subgroups_the_page_says_so(page: str) -> None:
    assert "The test slices of every cohort are alike in all of these." in page


def test_a_subgroup_has_its_counts(results: RunResults) -> None:
    row = {name: 0.5 for name in results.evaluation["subgroups"].columns} | {
        **{"pipeline": "whole-resnet50-scratch", "stage": 1, "cohort": "open", "grouping": "contrast"},
        **{"value": "with", "unit": "patient", "n": 4, "n_positive": 2},
    }
    table = subgroup_table(changed(results, evaluation={"subgroups": pd.DataFrame([row])}))
    assert [cell.text for cell in table.rows[0][2:6]] == ["contrast", "with", "4", "2"]
    assert table.numeric == frozenset(range(4, 10))
