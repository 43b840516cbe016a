"""Pairs of models on the same patients."""

from lungsight.report.results import RunResults
from lungsight.report.sections.model_pairs import DIFFER_IN, STAGES, pair_table
from lungsight.tables import table_schema


def test_pairs_say_what_differs_and_name_both_models(page: str, results: RunResults) -> None:
    assert '<table id="differences-table"' in page
    pairs = pair_table(results)
    assert {row[0].text for row in pairs.rows} == {"start weights", "training on the target cohort"}
    row = next(row for row in pairs.rows if row[0].text == "training on the target cohort")
    assert [cell.note for cell in row[1:3]] == ["stage 1", "stage 2"]


def test_every_comparison_and_stage_of_the_table_has_words() -> None:
    columns = table_schema("differences")["properties"]
    assert set(columns["comparison"]["enum"]) == set(DIFFER_IN)
    assert set(columns["first_stage"]["enum"]) == set(STAGES)
