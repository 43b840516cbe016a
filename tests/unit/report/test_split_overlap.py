"""The section on train, validation and test."""

from lungsight.report.results import RunResults
from lungsight.report.sections.split_overlap import overlap_table
from tests.factories.results import changed


def test_the_table_shows_what_other_cohorts_train_on(results: RunResults) -> None:
    shared = {"test_images_in_other_cohorts": [0, 4], "test_slices_of_patients_in_other_cohorts": [1, 0]}
    table = overlap_table(changed(results, leakage=results.leakage.assign(**shared)))
    titles = [title for title, _ in table.headings]
    assert titles[-2:] == ["Test images in other cohorts", "Test slices of patients in other cohorts"]
    assert [[(cell.text, cell.tone) for cell in row[-2:]] for row in table.rows] == [
        [("0", "good"), ("1", "bad")],
        [("4", "bad"), ("0", "good")],
    ]
