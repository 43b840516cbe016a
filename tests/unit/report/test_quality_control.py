"""The section on quality control."""

from lungsight.report.results import RunResults
from lungsight.report.sections.quality_control import kept_table


def test_kept_slices_are_counted_by_class_input_view_and_subset(results: RunResults) -> None:
    table = kept_table(results)
    titles = [title for title, _ in table.headings]
    first = dict(zip(titles, table.rows[0], strict=True))
    split = results.splits["open", "whole"]
    covid = split[split["label"] == "Covid-19"]
    assert (first["Cohort"].text, first["Class"].text, first["Input view"].text) == ("open", "Covid-19", "whole")
    assert first["Kept"].sort == len(covid)
    assert first["test"].sort == (covid["split"] == "test").sum()
    assert first["Test patients"].sort == covid.loc[covid["split"] == "test", "patient"].nunique()
