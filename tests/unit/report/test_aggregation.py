"""Ways to make a prediction for a patient."""

from lungsight.report.results import RunResults
from lungsight.report.sections.aggregation import aggregation_table


def test_rules_are_in_words_and_thresholds_say_where_they_are_from(page: str, results: RunResults) -> None:
    assert '<table id="aggregation-table"' in page
    rules = aggregation_table(results)
    assert any("mean of the" in row[2].text and "highest slices" in row[2].text for row in rules.rows)
    assert {row[3].note for row in rules.rows} == {"fixed", "chosen on validation"}
