"""Say where lung masks come from, and refuse rows that nobody segments."""

import pytest

from lungsight.config_check import complete_config
from lungsight.errors import UserError
from lungsight.intake.cohort_table import TableRow
from lungsight.run_description import describe_run, page_inputs
from lungsight.segmentation.settings import check_own_masks, cohorts_with_lungs, mask_origin


def made_config(method: str) -> dict:
    cohort = {"role": "target", "format": "dicom", "root": "scans", "table": "table.tsv"}
    return complete_config({"results": "results/x", "cohorts": {"clinic": cohort}, "segmentation": {"method": method}})


def row(number: int, lungs: str = "", skip: str = "") -> TableRow:
    return TableRow(number, f"P{number}", f"scan {number}", "Covid-19", "", "", "", skip=skip, lungs=lungs)


def test_a_row_that_nobody_segments_is_refused() -> None:
    rows = {"clinic": [row(1, "a.nii"), row(2), row(3, skip="left out"), row(4)]}
    with pytest.raises(UserError, match=r"own segments nothing, .* cohort clinic \(row 2, 4\)\. Name their masks"):
        check_own_masks(made_config("own"), rows)
    check_own_masks(made_config("classical"), rows)
    check_own_masks(made_config("own"), {"clinic": [row(1, "a.nii"), row(3, skip="left out")]})


def test_own_masks_are_not_measured_in_place_of_the_network() -> None:
    config = made_config("classical")
    config["cohorts"]["clinic"]["role"] = "segmentation"
    with pytest.raises(UserError, match=r"cohorts\.clinic: its contours measure how well"):
        check_own_masks(config, {"clinic": [row(1), row(2, "a.nii")]})
    check_own_masks(config, {"clinic": [row(1), row(2, "a.nii", skip="left out")]})


@pytest.mark.parametrize(("method", "origin"), [("own", "own"), ("classical", "classical"), ("nnunet", "trained")])
def test_origin_of_masks(method: str, origin: str) -> None:
    assert mask_origin(made_config(method)) == origin


def test_the_page_needs_the_table_where_a_row_names_a_mask() -> None:
    config = made_config("classical")
    for rows, wanted in (([row(1, "a.nii", skip="x"), row(2)], False), ([row(1), row(2, "b.nii")], True)):
        assert cohorts_with_lungs({"clinic": rows}) == ["clinic"] * wanted
        assert ("report/lungs.tsv" in page_inputs(describe_run(config, {"clinic": rows}))) is wanted
