"""The gain by training on the target cohort."""

import pytest

from lungsight.report.results import RunResults
from lungsight.report.sections.adaptation import adaptation_statements, adaptation_table
from tests.factories.results import changed, texts


def test_adaptation_is_stage_two_minus_stage_one_on_the_target(results: RunResults) -> None:
    table = adaptation_table(results)
    clinic = results.metrics[(results.metrics["cohort"] == "clinic") & (results.metrics["unit"] == "slice")]
    before, after = clinic[clinic["pipeline"] == "whole-resnet50-scratch"].sort_values("stage")["roc_auc"]
    row = next(row for row in table.rows if row[1].text == "slice")
    gain = row[[title for title, _ in table.headings].index("Gain")]
    assert gain.sort == pytest.approx(after - before)
    differences = results.evaluation["differences"]
    pair = differences.query("comparison == 'adaptation' and metric == 'roc_auc' and unit == 'slice'").iloc[0]
    assert gain.note == f"{pair['difference_lo']:+.2f} to {pair['difference_hi']:+.2f}".replace("-", "−")
    stronger = differences.assign(difference=0.2, difference_lo=0.1, difference_hi=0.3, p_holm=0.001)
    sentence = texts(adaptation_statements(changed(results, evaluation={"differences": stronger})))
    assert "rose in 2 of 2 pipelines, by 0.20 in the median. In 2 of them the whole interval" in sentence
    assert "In 2 the gain is significant at the 5 % level" in sentence
