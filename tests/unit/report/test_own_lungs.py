"""The section on lung masks that the tables name counts them by cohort, and lists the refused with their reason."""

from pathlib import Path

import numpy as np
import pandas as pd

from lungsight.report.rendering import render_part
from lungsight.report.results import RunResults
from lungsight.report.sections.own_lungs import section
from lungsight.report.templates import section_template

LUNGS = pd.DataFrame(
    {
        "cohort": ["clinic", "clinic", "clinic", "open"],
        "row": [1, 2, 5, 1],
        "status": ["taken", "refused", "taken", "taken"],
        "classical_dice": [0.9, 0.05, 0.4, np.nan],
        "reason": ["", "the mask lies <beside>", "look whether it is of this scan", ""],
    }
)


def test_masks_by_cohort_and_the_refused_with_their_reason() -> None:
    values = section(RunResults(Path(), {}, lungs=LUNGS))
    rows = [[cell.text for cell in row] for row in values["taken"].rows]
    assert rows == [["clinic", "3", "2", "1", "1", "0.400"], ["open", "1", "1", "0", "0", "–"]]
    assert [[cell.text for cell in row] for row in values["refused"].rows] == [
        ["clinic", "2", "the mask lies <beside>"]
    ]
    html = render_part(section_template("own_lungs"), values)
    assert "the mask lies &lt;beside&gt;" in html


def test_a_run_without_own_masks_has_no_section() -> None:
    assert section(RunResults(Path(), {})) is None
    all_taken = section(RunResults(Path(), {}, lungs=LUNGS[LUNGS["status"] == "taken"]))
    assert all_taken["refused"] is None
